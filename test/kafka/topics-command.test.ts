import test, { type ExecutionContext } from 'ava';
import kafkajs from 'kafkajs';
import { applyTopics, checkTopics, type TopicsOptions } from '../../cli/topics.ts';
import { connectAdmin, createTopics } from '../../eventlog/kafka-admin.ts';
import { minMaxMessageBytes } from '../../eventlog/kafka-config.ts';
import { changeTopicSettings, describeTopics } from '../../eventlog/kafka-topics.ts';
import { topicPlans, type TopicPlanOptions } from '../../schemas/topic-plan.ts';
import { topicNames } from '../../schemas/topics.ts';
import { eventually } from '../support/eventually.ts';
import { randomPrefix, testConnection } from './topics.ts';

const small: TopicPlanOptions = { partitions: 3, replicas: 1, minInsyncReplicas: 1, retentionMs: 7 * 86_400_000 };

interface Ran {
  readonly code: number;
  readonly report: {
    readonly asDeclared: boolean;
    readonly topics: readonly {
      readonly topic: string;
      readonly made: readonly { readonly what: string; readonly has: string; readonly wants: string }[];
      readonly left: readonly { readonly what: string; readonly has: string; readonly refused?: string }[];
    }[];
  };
  readonly complaint: string;
}

/** Topics that no other test has; they are deleted when the test ends. */
function prefixFor(t: ExecutionContext): string {
  const prefix = randomPrefix();
  t.teardown(async () => {
    await using admin = await connectAdmin(testConnection());
    const present = await describeTopics(
      admin,
      topicNames.map((name) => prefix + name),
    );
    await admin.deleteTopics({ topics: [...present.keys()] });
  });
  return prefix;
}

async function run(
  command: (options: TopicsOptions) => Promise<number>,
  prefix: string,
  options: Partial<TopicPlanOptions> = {},
): Promise<Ran> {
  let text = '';
  let complaint = '';
  const code = await command({
    connection: testConnection(),
    prefix,
    plans: topicPlans({ ...small, ...options }),
    json: true,
    write: (part) => (text += part),
    complain: (part) => (complaint += part),
  });
  return { code, report: (text === '' ? undefined : JSON.parse(text)) as Ran['report'], complaint };
}

const leftOf = ({ report }: Ran): readonly string[] =>
  report.topics.flatMap(({ topic, left }) =>
    left.map(({ what, has }) => `${topic.split('.')[1] ?? ''} ${what} ${has}`),
  );

test('apply makes every topic as it is declared, and does nothing the second time', async (t) => {
  const prefix = prefixFor(t);
  const before = await run(checkTopics, prefix);
  t.is(before.code, 1);
  t.deepEqual(
    leftOf(before),
    topicNames.map((name) => `${name} topic absent`),
  );

  const applied = await run(applyTopics, prefix);
  t.is(applied.code, 0);
  t.true(applied.report.topics.every(({ made }) => made.length === 1 && made[0]?.what === 'topic'));

  const after = await run(checkTopics, prefix);
  t.is(after.code, 0);
  t.true(after.report.asDeclared);
  t.deepEqual(leftOf(after), []);
  const again = await run(applyTopics, prefix);
  t.is(again.code, 0);
  t.true(again.report.topics.every(({ made }) => made.length === 0));

  await using admin = await connectAdmin(testConnection());
  const topics = await describeTopics(admin, [`${prefix}raw-events`, `${prefix}policies`, `${prefix}enricher-state`]);
  const raw = topics.get(`${prefix}raw-events`);
  const policies = topics.get(`${prefix}policies`);
  if (raw === undefined || policies === undefined) throw new Error('they were made and are not there');
  t.like(raw, { partitions: 3, replicas: 1 });
  t.is(policies.partitions, 1);
  t.is(raw.settings.get('cleanup.policy'), 'delete');
  t.is(policies.settings.get('cleanup.policy'), 'compact');
  t.is(topics.get(`${prefix}enricher-state`)?.settings.get('segment.bytes'), String(32 << 20));
  // What is judged by is kept for at least as long as what is judged may be read.
  const oldest = Number(raw.settings.get('retention.ms')) + Number(raw.settings.get('segment.ms'));
  for (const setting of ['min.compaction.lag.ms', 'delete.retention.ms']) {
    t.true(Number(policies.settings.get(setting)) > oldest, setting);
  }
});

test('a drift is reported, and mended where nothing is lost by it; what else was set for the topic stays', async (t) => {
  const prefix = prefixFor(t);
  await run(applyTopics, prefix);
  {
    await using admin = await connectAdmin(testConnection());
    const changes = {
      'min.compaction.lag.ms': '5',
      'retention.bytes': '123456789',
      'unclean.leader.election.enable': 'true',
    };
    await changeTopicSettings(admin, `${prefix}policies`, changes);
    await changeTopicSettings(admin, `${prefix}alerts`, { 'retention.ms': '-1' });
  }
  const checked = await run(checkTopics, prefix);
  t.is(checked.code, 1);
  t.deepEqual(leftOf(checked).toSorted(), [
    'policies min.compaction.lag.ms 5',
    'policies unclean.leader.election.enable true',
  ]);

  const applied = await run(applyTopics, prefix);
  t.is(applied.code, 0);
  const made = applied.report.topics.flatMap((topic) => topic.made);
  t.deepEqual(made.map(({ what, has }) => `${what} ${has}`).toSorted(), [
    'min.compaction.lag.ms 5',
    'unclean.leader.election.enable true',
  ]);
  await using admin = await connectAdmin(testConnection());
  const topics = await describeTopics(admin, [`${prefix}policies`, `${prefix}alerts`]);
  t.is(topics.get(`${prefix}policies`)?.overrides.get('retention.bytes'), '123456789');
  t.is(topics.get(`${prefix}policies`)?.settings.get('cleanup.policy'), 'compact');
  t.is(topics.get(`${prefix}alerts`)?.settings.get('retention.ms'), '-1', 'more than declared is left');
});

test('the old way of setting one thing for a topic takes away all others', async (t) => {
  // The trap: kafkajs has no other than AlterConfigs, which `changeTopicSettings` therefore reads and merges for.
  const prefix = prefixFor(t);
  await run(applyTopics, prefix);
  const name = `${prefix}policies`;
  await using admin = await connectAdmin(testConnection());
  await admin.alterConfigs({
    validateOnly: false,
    resources: [
      { type: kafkajs.ConfigResourceTypes.TOPIC, name, configEntries: [{ name: 'retention.bytes', value: '1000' }] },
    ],
  });
  const overrides = await eventually('the setting is in force', async () => {
    const topic = (await describeTopics(admin, [name])).get(name);
    return topic?.overrides.has('retention.bytes') === true ? topic.overrides : undefined;
  });
  t.deepEqual([...overrides], [['retention.bytes', '1000']]);
});

test('what would delete or lock out is left, with the reason and what to do', async (t) => {
  const prefix = prefixFor(t);
  const names = { raw: `${prefix}raw-events`, policies: `${prefix}policies`, alerts: `${prefix}alerts` };
  {
    await using admin = await connectAdmin(testConnection());
    await createTopics(admin, [
      {
        topic: names.raw,
        numPartitions: 2,
        replicationFactor: 1,
        configEntries: [{ name: 'retention.ms', value: '99999999999' }],
      },
      { topic: names.policies, numPartitions: 1, replicationFactor: 1 },
      { topic: names.alerts, numPartitions: 4, replicationFactor: 1 },
    ]);
  }
  const applied = await run(applyTopics, prefix, { replicas: 1, minInsyncReplicas: 1 });
  t.is(applied.code, 1);
  t.false(applied.report.asDeclared);
  t.deepEqual(leftOf(applied).toSorted(), [
    'alerts partitions 4',
    'policies cleanup.policy delete',
    'raw-events partitions 2',
    'raw-events retention.ms 99999999999',
  ]);
  const reasons = new Map(
    applied.report.topics.flatMap(({ topic, left }) => left.map(({ what, refused }) => [`${topic} ${what}`, refused])),
  );
  t.regex(
    reasons.get(`${names.raw} partitions`) ?? '',
    /^More partitions would put keys into others.*transactional ids/u,
  );
  t.regex(
    reasons.get(`${names.raw} partitions`) ?? '',
    /Keep the number with --topic-partitions 2, or make topics anew/u,
  );
  t.regex(reasons.get(`${names.alerts} partitions`) ?? '', /^Kafka takes no partition away\./u);
  t.regex(
    reasons.get(`${names.raw} retention.ms`) ?? '',
    /^Less would delete records that are there now\..*--retention-age/u,
  );
  t.regex(
    reasons.get(`${names.policies} cleanup.policy`) ?? '',
    /^It would begin to compact what is there now\. kafka-configs\.sh does it: .*--add-config cleanup\.policy=compact$/u,
  );
  // The rest of the same topics was made so.
  await using admin = await connectAdmin(testConnection());
  const topics = await describeTopics(admin, Object.values(names));
  t.is(topics.get(names.raw)?.partitions, 2);
  t.is(topics.get(names.raw)?.settings.get('message.timestamp.type'), 'LogAppendTime');
  t.true(Number(topics.get(names.policies)?.settings.get('max.message.bytes')) >= minMaxMessageBytes);
});

test('more replicas than there are brokers are refused before anything is made', async (t) => {
  const prefix = prefixFor(t);
  const { code, complaint } = await run(applyTopics, prefix, { replicas: 9, minInsyncReplicas: 2 });
  t.is(code, 69);
  t.regex(complaint, /^palisade: the cluster has \d+ brokers?, too few for 9 replicas: add brokers, or give --topic-/u);
  t.is(leftOf(await run(checkTopics, prefix)).length, topicNames.length);
});

test('a topic with fewer replicas than are to be in sync is not shut', async (t) => {
  const prefix = prefixFor(t);
  await run(applyTopics, prefix);
  const { code, report } = await run(applyTopics, prefix, { replicas: 3, minInsyncReplicas: 2 });
  t.is(code, 1);
  for (const { made, left } of report.topics) {
    t.deepEqual(made, []);
    t.deepEqual(left.map(({ what }) => what).toSorted(), ['min.insync.replicas', 'replicas']);
  }
  t.regex(
    report.topics[0]?.left.find(({ what }) => what === 'min.insync.replicas')?.refused ?? '',
    /Move replicas first$/u,
  );
});

test('a cluster that does not answer is one line, and an exit code that is not that of a drift', async (t) => {
  let complaint = '';
  const code = await checkTopics({
    connection: { ...testConnection(), brokers: ['127.0.0.1:1'] },
    prefix: '',
    plans: topicPlans(small),
    json: false,
    write: () => t.fail(),
    complain: (text) => (complaint += text),
  });
  t.is(code, 69);
  t.regex(
    complaint,
    /^palisade: connecting to Kafka at 127\.0\.0\.1:1 failed: [^\n]*ECONNREFUSED[^\n]*\[EVENT_LOG_FAILED\]\n$/u,
  );
});
