import { EventLogError } from '../eventlog/errors.ts';
import { connectAdmin, partitionCounts } from '../eventlog/kafka-admin.ts';
import type { KafkaConnection } from '../eventlog/kafka-config.ts';
import { printable } from '../runtime/printable.ts';
import { retry } from '../runtime/retry.ts';
import { topics, type TopicName } from '../schemas/topics.ts';

/** Waits between two attempts to reach a cluster, milliseconds: it is found within seconds when it is there. */
const reachWait = { firstDelayMs: 500, maxDelayMs: 5000 };
/** What kafkajs tries by itself in one attempt of ours: brokers in turn, a connection refused at once or given up after 5 s. */
const retriesInAttempt = 2;

export interface PresentTopicsOptions {
  readonly connection: KafkaConnection;
  readonly prefix: string;
  /** All that a role reads and writes. */
  readonly needs: readonly TopicName[];
  /** Ends the attempts; what kept the cluster from answering is then thrown. */
  readonly signal: AbortSignal;
  /** Called where the cluster could not be asked and is asked again. */
  readonly onRetry: (error: unknown, delayMs: number) => void;
}

/**
 * Resolves when the cluster has answered and has what a role needs, for however long it is away. Throws `EVENT_LOG_FAILED` where it
 * refuses, where topics are missing, and where their partitions are not as they have to be.
 */
export async function assertTopicsPresent(options: PresentTopicsOptions): Promise<void> {
  const { connection, prefix, needs, signal, onRetry } = options;
  const names = needs.map((topic) => prefix + topic);
  const counts = await retry(
    async () => {
      await using admin = await connectAdmin({ ...connection, retries: retriesInAttempt });
      return await partitionCounts(admin, names);
    },
    {
      ...reachWait,
      maxAttempts: Infinity,
      signal,
      onRetry: (error, _, delayMs) => {
        onRetry(error, delayMs);
      },
    },
  );
  const problem = problemOf(needs, prefix, counts);
  if (problem !== undefined) throw new EventLogError('EVENT_LOG_FAILED', problem);
}

/** What keeps a role from running on topics of these partitions, by their names in the cluster; `undefined`: nothing. */
export function problemOf(
  needs: readonly TopicName[],
  prefix: string,
  counts: ReadonlyMap<string, number>,
): string | undefined {
  const missing = needs.map((topic) => prefix + topic).filter((name) => !counts.has(name));
  if (missing.length > 0) {
    const verb = missing.length === 1 ? 'topic' : 'topics';
    return `Kafka has no ${verb} ${printable(missing.join(', '))}, or not all of it has a leader: \`palisade topics apply\` makes what is missing`;
  }
  const countOf = (topic: TopicName): number => counts.get(prefix + topic) ?? 0;
  const described = (some: readonly TopicName[]): string =>
    printable(some.map((topic) => `${prefix}${topic} has ${countOf(topic)}`).join(', '));
  const shared = needs.filter((topic) => !topics[topic].isDivided && countOf(topic) !== 1);
  if (shared.length > 0) {
    return `topics that everybody reads whole may have one partition alone: ${described(shared)}; \`palisade topics check\` says how all should be`;
  }
  const divided = needs.filter((topic) => topics[topic].isDivided);
  if (new Set(divided.map(countOf)).size > 1) {
    return `topics that are divided by node need as many partitions each: ${described(divided)}; \`palisade topics check\` says how all should be`;
  }
  return undefined;
}
