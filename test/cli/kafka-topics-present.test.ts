import test from 'ava';
import { problemOf } from '../../cli/kafka-topics-present.ts';
import { kafkaRoles } from '../../cli/topic-acls.ts';
import { topicPlans } from '../../schemas/topic-plan.ts';
import type { TopicName } from '../../schemas/topics.ts';

const declared = topicPlans({ partitions: 32, replicas: 3, minInsyncReplicas: 2, retentionMs: 86_400_000 });
const needs: readonly TopicName[] = ['raw-events', 'policies', 'alerts', 'enricher-state'];

/** The topics as they are declared, but for those of `others`. */
function counts(others: Partial<Readonly<Record<TopicName, number>>> = {}): ReadonlyMap<string, number> {
  const all = declared.map(({ topic, partitions }): [string, number] => [`p.${topic}`, others[topic] ?? partitions]);
  return new Map(all.filter(([, count]) => count > 0));
}

test('on topics as they are declared every role can run', (t) => {
  for (const { name, reads, writes } of kafkaRoles())
    t.is(problemOf([...reads, ...writes], 'p.', counts()), undefined, name);
});

test('what is missing is named as the cluster would have it, with the command that makes it', (t) => {
  const problem = problemOf(needs, 'p.', counts({ policies: 0, alerts: 0 }));
  t.regex(problem ?? '', /^Kafka has no topics p\.policies, p\.alerts, .*`palisade topics apply`/u);
});

test('a topic that a role does not need may be missing', (t) => {
  t.is(problemOf(needs, 'p.', counts({ 'enriched-events': 0 })), undefined);
});

test('topics that are divided by node need as many partitions each', (t) => {
  const problem = problemOf(needs, 'p.', counts({ alerts: 4 }));
  t.regex(problem ?? '', /as many partitions each: p\.raw-events has 32, p\.alerts has 4, p\.enricher-state has 32/u);
});

test('a table of several partitions is refused, since it has no one position', (t) => {
  t.regex(problemOf(needs, 'p.', counts({ policies: 3 })) ?? '', /one partition alone: p\.policies has 3;/u);
});
