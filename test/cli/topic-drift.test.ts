import test from 'ava';
import { differencesOf } from '../../cli/topic-drift.ts';
import type { ClusterTopic } from '../../eventlog/kafka-topics.ts';
import { topicPlans, type TopicPlan } from '../../schemas/topic-plan.ts';
import type { TopicName } from '../../schemas/topics.ts';

const plans = topicPlans({ partitions: 32, replicas: 3, minInsyncReplicas: 2, retentionMs: 7 * 86_400_000 });

function planOf(name: TopicName): TopicPlan {
  const plan = plans.find(({ topic }) => topic === name);
  if (plan === undefined) throw new Error(`${name} is not declared`);
  return plan;
}

/** The topic as it is declared, but for this. */
function topicBut(plan: TopicPlan, settings: Readonly<Record<string, string>>, counts = {}): ClusterTopic {
  const all = new Map(Object.entries({ ...plan.settings, ...settings, 'another.setting': 'x' }));
  return { name: plan.topic, partitions: plan.partitions, replicas: 3, settings: all, overrides: all, ...counts };
}

test('a topic as it is declared has no difference, whatever else is set for it', (t) => {
  for (const plan of plans) t.deepEqual(differencesOf(plan, topicBut(plan, {})), []);
});

for (const [name, setting, has, outcome] of [
  ['alerts', 'retention.ms', '-1', 'serves'],
  ['alerts', 'retention.ms', '60000', 'made'],
  ['raw-events', 'retention.ms', '-1', 'left'],
  ['raw-events', 'retention.ms', '60000', 'made'],
  ['policies', 'min.compaction.lag.ms', '9999999999999', 'serves'],
  ['policies', 'min.compaction.lag.ms', '0', 'made'],
  ['policies', 'delete.retention.ms', '86400000', 'made'],
  ['enricher-state', 'min.compaction.lag.ms', '5', 'made'],
  ['enricher-state', 'segment.bytes', '1073741824', 'made'],
  ['policies', 'cleanup.policy', 'delete', 'left'],
  ['policies', 'cleanup.policy', 'compact,delete', 'made'],
  ['raw-events', 'cleanup.policy', 'compact', 'left'],
  ['raw-events', 'max.message.bytes', '1048588', 'made'],
  ['raw-events', 'max.message.bytes', '104857600', 'serves'],
  ['raw-events', 'min.insync.replicas', '1', 'made'],
  ['raw-events', 'min.insync.replicas', '3', 'serves'],
  ['raw-events', 'message.timestamp.type', 'CreateTime', 'made'],
  ['coverage', 'unclean.leader.election.enable', 'true', 'made'],
] as const) {
  test(`${setting} of ${name} that is ${has}: ${outcome}`, (t) => {
    const plan = planOf(name);
    const differences = differencesOf(plan, topicBut(plan, { [setting]: has }));
    if (outcome === 'serves') t.deepEqual(differences, []);
    else {
      t.deepEqual(
        differences.map((one) => [one.what, one.has, one.wants, one.refused === undefined ? 'made' : 'left']),
        [[setting, has, plan.settings[setting], outcome]],
      );
    }
  });
}

test('partitions and replicas are never changed', (t) => {
  const plan = planOf('raw-events');
  for (const counts of [{ partitions: 31 }, { partitions: 33 }, { replicas: 1 }, { replicas: 5 }]) {
    const differences = differencesOf(plan, topicBut(plan, {}, counts));
    t.is(differences.length, 1);
    t.not(differences[0]?.refused, undefined);
  }
});
