import type { ExecutionContext } from 'ava';
import { applyTopics } from '../../cli/topics.ts';
import { connectAdmin } from '../../eventlog/kafka-admin.ts';
import { describeTopics } from '../../eventlog/kafka-topics.ts';
import { topicPlans } from '../../schemas/topic-plan.ts';
import { topicNames } from '../../schemas/topics.ts';
import { PalisadeProcess } from '../support/palisade-process.ts';
import { randomPrefix, testConnection } from './topics.ts';

/** The topics as `palisade topics apply` makes them, under a prefix of their own, which is returned; deleted when the test ends. */
export async function declaredTopics(t: ExecutionContext, partitions: number): Promise<string> {
  const prefix = randomPrefix();
  t.teardown(async () => {
    await using admin = await connectAdmin(testConnection());
    const names = topicNames.map((name) => prefix + name);
    await admin.deleteTopics({ topics: [...(await describeTopics(admin, names)).keys()] });
  });
  let said = '';
  const say = (text: string): void => {
    said += text;
  };
  const plans = topicPlans({ partitions, replicas: 1, minInsyncReplicas: 1, retentionMs: 7 * 86_400_000 });
  const code = await applyTopics({
    connection: testConnection(),
    prefix,
    plans,
    json: false,
    write: say,
    complain: say,
  });
  if (code !== 0) throw new Error(`the topics could not be made: ${said}`);
  return prefix;
}

/** `palisade run ROLE` as a process of its own; killed when the test ends. Its log is JSON on `errors`. */
export function startRole(
  t: ExecutionContext,
  role: string,
  options: { readonly prefix: string; readonly brokers?: string; readonly flags?: readonly string[] },
): PalisadeProcess {
  const { prefix, brokers = testConnection().brokers.join(','), flags = [] } = options;
  const place = ['--kafka-brokers', brokers, '--kafka-prefix', prefix];
  const started = new PalisadeProcess(['run', role, ...place, ...flags]);
  t.teardown(() => started.end());
  return started;
}
