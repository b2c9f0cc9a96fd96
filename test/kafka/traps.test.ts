import test, { type ExecutionContext } from 'ava';
import kafkajs, { type Consumer, type Kafka, type KafkaConfig, type Producer } from 'kafkajs';
import { connectAdmin } from '../../eventlog/kafka-admin.ts';
import { createKafka } from '../../eventlog/kafka-client.ts';
import { kafkaRetry } from '../../eventlog/kafka-config.ts';
import { kafkaErrorType } from '../../eventlog/kafka-errors.ts';
import { GroupMembership } from '../../eventlog/kafka-membership.ts';
import { PartitionLock } from '../../eventlog/kafka-transactions.ts';
import { eventually } from '../support/eventually.ts';
import { openKafkaLog } from './kafka-log.ts';
import { makeTopics, testConnection } from './topics.ts';
import { event, recordsOf } from '../eventlog/toy.ts';

/*
 * What kafkajs 2.2.4 does that a log cannot live with. Each trap is shown on kafkajs as it comes, so that a release without
 * it would be seen here, and then what this log does in the same place.
 */

interface LogLine {
  readonly message: string;
  readonly retryTime?: number;
}

/** kafkajs with its own settings, and what it says. */
function plainKafka(settings: Partial<KafkaConfig> = {}): { readonly kafka: Kafka; readonly lines: LogLine[] } {
  const lines: LogLine[] = [];
  const { brokers, clientId } = testConnection();
  const logCreator = () => (entry: kafkajs.LogEntry) => {
    lines.push(entry.log);
  };
  const logLevel = kafkajs.logLevel.DEBUG;
  return { kafka: new kafkajs.Kafka({ brokers: [...brokers], clientId, logLevel, logCreator, ...settings }), lines };
}

async function transactionalProducer(t: ExecutionContext, kafka: Kafka, transactionalId: string): Promise<Producer> {
  const createPartitioner = kafkajs.Partitioners.DefaultPartitioner;
  const producer = kafka.producer({ transactionalId, idempotent: true, maxInFlightRequests: 1, createPartitioner });
  t.teardown(() => producer.disconnect());
  await producer.connect();
  return producer;
}

const messages = [{ key: 'a', value: 'x' }];

/** Transactions one after the other until one has met the markers of the one before; how long kafkajs then waited, milliseconds. */
async function waitForMarkers(producer: Producer, topic: string, lines: readonly LogLine[]): Promise<number> {
  for (;;) {
    const transaction = await producer.transaction();
    await transaction.send({ topic, messages });
    await transaction.commit();
    const line = lines.find(
      ({ message, retryTime }) => retryTime !== undefined && message.includes('another concurrent operation'),
    );
    if (line?.retryTime !== undefined) return line.retryTime;
  }
}

test('a transaction that meets the markers of the one before is tried again within milliseconds, not 300', async (t) => {
  const topic = `${await makeTopics(t)}coverage`;
  const plain = plainKafka();
  t.true(
    (await waitForMarkers(await transactionalProducer(t, plain.kafka, `${topic}-plain`), topic, plain.lines)) >= 200,
  );

  const ours = plainKafka({ retry: kafkaRetry });
  t.true((await waitForMarkers(await transactionalProducer(t, ours.kafka, `${topic}-ours`), topic, ours.lines)) <= 10);
});

test('a producer whose commit failed never recovers; the lock is taken anew with the same id', async (t) => {
  const prefix = await makeTopics(t);
  const topic = `${prefix}coverage`;
  const { kafka } = plainKafka();
  const producer = await transactionalProducer(t, kafka, `${topic}-plain`);
  const transaction = await producer.transaction();
  await transaction.send({ topic, messages });
  const usurper = await transactionalProducer(t, kafka, `${topic}-plain`);
  await (await usurper.transaction()).abort();
  await t.throwsAsync(transaction.commit());
  for (let attempt = 0; attempt < 3; attempt++) {
    await t.throwsAsync(producer.transaction(), { message: /state "COMMITTING"|already an ongoing transaction/u });
  }

  const options = { transactionalId: `${topic}-ours`, group: `${prefix}g`, timeoutMs: 15_000 };
  const position = { topic, partition: 0, offset: 0, metadata: '' };
  const lost = await PartitionLock.take(createKafka(testConnection()), options);
  t.teardown(() => lost.release());
  const taken = await PartitionLock.take(createKafka(testConnection()), options);
  t.teardown(() => taken.release());
  await t.throwsAsync(lost.commit([], [position]), { code: 'FENCED' });
  await t.throwsAsync(lost.commit([], [position]), { code: 'FENCED' }, 'and stays lost');
  const again = await PartitionLock.take(createKafka(testConnection()), options);
  t.teardown(() => again.release());
  await again.commit([[{ topic, messages }]], [position]);
  t.pass();
});

test('connecting a transactional producer locks out nobody; taking the lock does', async (t) => {
  const topic = `${await makeTopics(t)}coverage`;
  const { kafka } = plainKafka();
  const owner = await transactionalProducer(t, kafka, topic);
  await (await owner.transaction()).abort();
  await transactionalProducer(t, kafka, topic);
  const unharmed = await owner.transaction();
  await unharmed.send({ topic, messages });
  await unharmed.commit();

  const options = { transactionalId: topic, group: topic, timeoutMs: 15_000 };
  const lock = await PartitionLock.take(createKafka(testConnection()), options);
  t.teardown(() => lock.release());
  const fenced = await owner.transaction();
  const error = await t.throwsAsync(fenced.send({ topic, messages }));
  t.is(kafkaErrorType(error), 'INVALID_PRODUCER_EPOCH');
});

test('with an id of its own each instance doubles what another has done; with one a partition it is fenced', async (t) => {
  const prefix = await makeTopics(t);
  const topic = `${prefix}coverage`;
  const { kafka } = plainKafka();
  // Both have read the offset 0, the second after the first had been given up.
  for (const instance of ['second', 'first']) {
    const producer = await transactionalProducer(t, kafka, `${topic}-${instance}`);
    const transaction = await producer.transaction();
    await transaction.send({ topic, messages: [{ key: 'a', value: 'the same' }] });
    const topics = [{ topic, partitions: [{ partition: 0, offset: '1' }] }];
    await transaction.sendOffsets({ consumerGroupId: `${prefix}plain`, topics });
    await transaction.commit();
  }
  const log = await openKafkaLog(t, { prefix });
  t.is((await recordsOf(log, ['coverage'])).length, 2, 'doubled');

  const options = { transactionalId: `${prefix}g.coverage.0`, group: `${prefix}g`, timeoutMs: 15_000 };
  const first = await PartitionLock.take(createKafka(testConnection()), options);
  t.teardown(() => first.release());
  const second = await PartitionLock.take(createKafka(testConnection()), options);
  t.teardown(() => second.release());
  const chunk = [{ topic, messages: [{ key: 'a', value: 'the same', partition: 0 }] }];
  const position = { topic, partition: 0, offset: 1, metadata: '' };
  await second.commit([chunk], [position]);
  await t.throwsAsync(first.commit([chunk], [position]), { code: 'FENCED', message: /no longer ours/u });
  t.is((await recordsOf(log, ['coverage'])).length, 3);
});

/** The members that a group has now. */
async function members(group: string): Promise<number> {
  await using admin = await connectAdmin(testConnection());
  const { groups } = await admin.describeGroups([group]);
  return groups[0]?.members.length ?? 0;
}

test('a consumer that crashes for good stays down; a membership is begun anew', async (t) => {
  const topic = `${await makeTopics(t)}coverage`;
  // What kafkajs takes for lasting, thrown where each join asks for the member's data.
  const lasting = (): never => {
    throw new kafkajs.KafkaJSNonRetriableError('planted');
  };
  const { kafka } = plainKafka();
  const down = kafka.consumer({
    groupId: `${topic}-plain`,
    partitionAssigners: [() => ({ name: 'planted', version: 0, assign: lasting, protocol: lasting })],
  });
  t.teardown(() => down.disconnect());
  const crashed = new Promise<boolean>((resolve) => {
    down.on(down.events.CRASH, ({ payload }) => {
      resolve(payload.restart);
    });
  });
  await down.connect();
  await down.subscribe({ topics: [topic] });
  await down.run({ eachBatch: () => Promise.resolve() });
  t.false(await crashed, 'it does not come back');

  let joins = 0;
  let calls = 0;
  const group = `${topic}-ours`;
  const membership = new GroupMembership(createKafka(testConnection()), {
    group,
    topics: [topic],
    sessionTimeoutMs: 10_000,
    heartbeatMs: 200,
    logger: undefined,
    owned: () => (++calls < 3 ? lasting() : []),
    assigned: () => {
      joins += 1;
    },
    failed: (error) => {
      t.fail(String(error));
    },
  });
  t.teardown(() => membership.stop());
  await membership.start();
  await eventually('the membership', () => (joins > 0 ? true : undefined));
  t.is(calls, 3);
  t.is(await members(group), 1);
});

/** Resolves when the consumer has a batch, with which it is then busy until the test ends. */
function busyToTheEnd(t: ExecutionContext, consumer: Consumer): Promise<void> {
  return new Promise((resolve) => {
    void consumer.run({
      eachBatch: () => {
        resolve();
        return new Promise((done) => {
          t.teardown(async () => {
            done();
            await consumer.disconnect();
          });
        });
      },
    });
  });
}

test('a handler that is busy loses its group to time; here it keeps both group and partition', async (t) => {
  const prefix = await makeTopics(t);
  const topic = `${prefix}coverage`;
  const log = await openKafkaLog(t, { prefix, tuning: { sessionTimeoutMs: 6000 } });
  await log.append([event('a', '1')]);

  const { kafka } = plainKafka();
  const consumer = kafka.consumer({ groupId: `${prefix}plain`, sessionTimeout: 6000, heartbeatInterval: 200 });
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  const busy = busyToTheEnd(t, consumer);
  let owned = 0;
  await log.consume(
    {
      group: 'ours',
      topics: ['coverage'],
      tables: [],
      signal: AbortSignal.timeout(600_000),
      drain: AbortSignal.abort(),
    },
    async (partition) => {
      owned += 1;
      for await (const batch of partition.batches()) {
        await busy;
        // Ours is as busy for as long as the other one takes to be left out.
        await eventually('its end', async () => ((await members(`${prefix}plain`)) === 0 ? true : undefined));
        await eventually('our member', async () => ((await members(`${prefix}ours`)) === 1 ? true : undefined));
        await batch.commit([{ record: event('b', 'done'), tablePositions: {} }]);
        break;
      }
    },
  );
  t.is(owned, 1);
  t.is((await recordsOf(log, ['coverage'])).length, 2);
});
