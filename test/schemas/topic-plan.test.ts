import test from 'ava';
import { minMaxMessageBytes } from '../../eventlog/kafka-config.ts';
import { topicPlans } from '../../schemas/topic-plan.ts';
import { topicNames, topics } from '../../schemas/topics.ts';

const hourMs = 3_600_000;
const options = { partitions: 32, replicas: 3, minInsyncReplicas: 2 };

test('every topic is declared, its cleanup as the contract says, divided by node or in one piece', (t) => {
  const plans = topicPlans({ ...options, retentionMs: 168 * hourMs });
  t.deepEqual(
    plans.map(({ topic }) => topic),
    topicNames,
  );
  for (const { topic, settings, partitions } of plans) {
    t.is(settings['cleanup.policy'], topics[topic].cleanupPolicy);
    t.is(partitions, topics[topic].key.startsWith('node id') && topic !== 'workloads' ? 32 : 1, topic);
  }
});

test('every value that a log takes fits into a message', (t) => {
  for (const { settings } of topicPlans({ ...options, retentionMs: hourMs })) {
    t.true(Number(settings['max.message.bytes']) >= minMaxMessageBytes);
  }
});

for (const retentionMs of [60_000, 24 * hourMs, 168 * hourMs, 3650 * 24 * hourMs]) {
  test(`with events of ${retentionMs} ms, tables keep every version and tombstone for as long as an event may be read`, (t) => {
    const plans = topicPlans({ ...options, retentionMs });
    const settingsOf = (name: string) => plans.find(({ topic }) => topic === name)?.settings ?? {};
    const raw = settingsOf('raw-events');
    // Until the youngest record of its segment is too old.
    const oldestMs = Number(raw['retention.ms']) + Number(raw['segment.ms']);
    for (const name of topicNames.filter((topic) => topics[topic].keepsVersions)) {
      t.true(Number(settingsOf(name)['min.compaction.lag.ms']) > oldestMs);
      t.true(Number(settingsOf(name)['delete.retention.ms']) > oldestMs);
    }
    t.true(Number(settingsOf('alerts')['retention.ms']) >= retentionMs);
  });
}
