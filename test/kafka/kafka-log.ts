import type { ExecutionContext } from 'ava';
import type { KafkaTuning } from '../../eventlog/kafka-config.ts';
import { KafkaEventLog } from '../../eventlog/kafka.ts';
import type { WireFormat } from '../../eventlog/wire-format.ts';
import { makeTopics, testConnection, type TestTopics } from './topics.ts';

/** Sessions that end sooner than anybody would want them to in earnest: tests wait for them. */
export const testTuning: Partial<KafkaTuning> = { sessionTimeoutMs: 10_000, heartbeatMs: 200, fetchWaitMs: 200 };

export interface TestLog extends TestTopics {
  /** Of topics that are there already: another log on the same ones. */
  readonly prefix?: string;
  readonly tuning?: Partial<KafkaTuning>;
  readonly format?: WireFormat;
}

/** A log on topics of its own, or on those of `prefix`; closed and removed when the test ends. */
export async function openKafkaLog(t: ExecutionContext, options: TestLog = {}): Promise<KafkaEventLog> {
  const prefix = options.prefix ?? (await makeTopics(t, options));
  const tuning = { ...testTuning, ...options.tuning };
  const format = options.format === undefined ? {} : { format: options.format };
  const log = new KafkaEventLog({ ...testConnection(), prefix, producer: 'palisade-test/0', tuning, ...format });
  t.teardown(() => log[Symbol.asyncDispose]());
  return log;
}
