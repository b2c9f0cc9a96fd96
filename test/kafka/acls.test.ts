import test from 'ava';
import kafkajs from 'kafkajs';
import { applyTopics, checkTopics } from '../../cli/topics.ts';
import { aclsOf } from '../../cli/topic-acls.ts';
import { connectAdmin } from '../../eventlog/kafka-admin.ts';
import { createKafka } from '../../eventlog/kafka-client.ts';
import type { KafkaConnection } from '../../eventlog/kafka-config.ts';
import { kafkaErrorType } from '../../eventlog/kafka-errors.ts';
import { KafkaEventLog } from '../../eventlog/kafka.ts';
import { topicPlans } from '../../schemas/topic-plan.ts';
import { event, policy, recordsOf, textOf } from '../eventlog/toy.ts';
import { startBroker, type Broker } from './broker.ts';
import { testTuning } from './kafka-log.ts';

// What `palisade topics acls` prints, given to a broker that holds everybody to it.

const password = 'of-everybody';
const names = ['palisade-node-n1', 'palisade-pipeline', 'palisade-policies', 'palisade-topics', 'stranger'] as const;
const prefix = 'p.';
let broker: Broker;

function as(name: (typeof names)[number], given = password): KafkaConnection {
  const sasl = { mechanism: 'plain', username: name, password: given } as const;
  return { brokers: [broker.saslAddress ?? ''], clientId: name, sasl };
}

function logOf(name: (typeof names)[number]): KafkaEventLog {
  return new KafkaEventLog({ ...as(name), prefix, producer: 'palisade-test/0', tuning: testTuning });
}

const plans = topicPlans({ partitions: 2, replicas: 1, minInsyncReplicas: 1, retentionMs: 3_600_000 });
const rawEvents = { topic: 'raw-events', key: 'n1', encodedValue: Uint8Array.of(1, 2, 3) } as const;

test.before(async () => {
  broker = await startBroker({ users: Object.fromEntries(names.map((name) => [name, password])) });
  const acls = aclsOf({
    prefix,
    nodes: ['n1'],
    rolePrincipal: 'User:palisade-{role}',
    nodePrincipal: 'User:palisade-node-{node}',
  });
  await using admin = await connectAdmin({ brokers: [broker.address], clientId: 'owner' });
  await admin.createAcls({
    acl: acls.map(({ principal, operation, resourceType, resourceName, patternType }) => ({
      principal,
      host: '*',
      permissionType: kafkajs.AclPermissionTypes.ALLOW,
      operation: {
        Read: kafkajs.AclOperationTypes.READ,
        Write: kafkajs.AclOperationTypes.WRITE,
        Create: kafkajs.AclOperationTypes.CREATE,
        Describe: kafkajs.AclOperationTypes.DESCRIBE,
        DescribeConfigs: kafkajs.AclOperationTypes.DESCRIBE_CONFIGS,
        AlterConfigs: kafkajs.AclOperationTypes.ALTER_CONFIGS,
      }[operation],
      resourceType: {
        Topic: kafkajs.AclResourceTypes.TOPIC,
        Group: kafkajs.AclResourceTypes.GROUP,
        TransactionalId: kafkajs.AclResourceTypes.TRANSACTIONAL_ID,
      }[resourceType],
      resourceName,
      resourcePatternType: {
        Literal: kafkajs.ResourcePatternTypes.LITERAL,
        Prefixed: kafkajs.ResourcePatternTypes.PREFIXED,
      }[patternType],
    })),
  });
});
test.after.always(async () => {
  await broker[Symbol.asyncDispose]();
});

test.serial('whoever holds the topics to their declaration may make them, as its ACLs say', async (t) => {
  let complaints = '';
  const options = { connection: as('palisade-topics'), prefix, plans, json: true, write: () => undefined };
  const complain = (text: string): void => {
    complaints += text;
  };
  t.is(await applyTopics({ ...options, complain }), 0, complaints);
  t.is(await checkTopics({ ...options, complain }), 0, complaints);
});

test.serial('a node writes raw events, and is refused everything else', async (t) => {
  await using log = logOf('palisade-node-n1');
  await log.append([rawEvents]);
  for (const refused of [event('n1', 'x'), policy('p', 'x')]) {
    const error = await t.throwsAsync(log.append([refused]), { code: 'EVENT_LOG_FAILED' });
    t.is(kafkaErrorType(error), 'TOPIC_AUTHORIZATION_FAILED', error.message);
  }
  const reading = await t.throwsAsync(recordsOf(log, ['raw-events']), { code: 'EVENT_LOG_FAILED' });
  t.is(kafkaErrorType(reading), 'TOPIC_AUTHORIZATION_FAILED', reading.message);

  const producer = createKafka(as('palisade-node-n1')).producer({
    transactionalId: `${prefix}enricher-matcher.raw-events.0`,
    idempotent: true,
    maxInFlightRequests: 1,
  });
  await producer.connect();
  t.teardown(() => producer.disconnect());
  // kafkajs does not say why it may not know who coordinates the id. The pipeline takes the same one, below.
  await t.throwsAsync(producer.transaction(), { message: 'Failed to find group coordinator' });
});

test.serial(
  'the policy source writes policies, and the pipeline reads, judges and commits, and writes no policies',
  async (t) => {
    await using source = logOf('palisade-policies');
    await source.append([policy('p', 'x')]);
    t.is((await source.table('policies')).records.length, 1);

    await using pipeline = logOf('palisade-pipeline');
    const stop = new AbortController();
    const tables = ['workloads', 'policies'] as const;
    const options = { group: 'enricher-matcher', topics: ['raw-events'], tables, signal: stop.signal } as const;
    let inputs = 0;
    await pipeline.consume(options, async (partition) => {
      for await (const record of partition.restore('enricher-state')) t.fail(`nothing was kept: ${record.key}`);
      for await (const batch of partition.batches()) {
        const records = batch.records.filter(({ topic }) => topic === 'raw-events');
        await batch.commit(
          records.map(({ key }) => ({ record: event(key, 'judged'), tablePositions: { policies: 1 } })),
        );
        inputs += records.length;
        if (inputs > 0) stop.abort();
      }
    });
    t.is(inputs, 1);
    const refused = await t.throwsAsync(pipeline.append([policy('p', 'y')]), { code: 'EVENT_LOG_FAILED' });
    t.is(kafkaErrorType(refused), 'TOPIC_AUTHORIZATION_FAILED', refused.message);

    await using owner = new KafkaEventLog({ brokers: [broker.address], clientId: 'owner', prefix, producer: 'test/0' });
    t.deepEqual((await recordsOf(owner, ['coverage'])).map(textOf), ['judged']);
  },
);

test.serial(
  'a wrong password is one line, without the password, and exit code 69; a stranger sees no topic',
  async (t) => {
    let said = '';
    const write = (text: string): void => {
      said += text;
    };
    const options = { prefix, plans, json: false, write, complain: write };
    t.is(await checkTopics({ ...options, connection: as('palisade-topics', 'wrong-secret') }), 69);
    t.regex(said, /^palisade: [^\n]*SASL PLAIN authentication failed[^\n]*\[EVENT_LOG_FAILED\]\n$/u);
    t.notRegex(said, /wrong-secret/u);
    said = '';
    t.is(await checkTopics({ ...options, connection: as('stranger') }), 1);
    t.deepEqual(
      said.trimEnd().split('\n'),
      plans.map(({ topic }) => `${prefix}${topic}: is missing`),
    );
  },
);
