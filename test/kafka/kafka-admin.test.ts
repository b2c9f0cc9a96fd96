import test from 'ava';
import kafkajs from 'kafkajs';
import { connectAdmin, createTopics, partitionCounts } from '../../eventlog/kafka-admin.ts';
import { createKafka } from '../../eventlog/kafka-client.ts';
import { makeTopics, randomPrefix, testConnection } from './topics.ts';

test('topics that were created have a leader for every partition when it returns', async (t) => {
  const topic = `${randomPrefix()}leaders`;
  await using admin = await connectAdmin(testConnection());
  await createTopics(admin, [{ topic, numPartitions: 7 }]);
  t.deepEqual(await partitionCounts(admin, [topic]), new Map([[topic, 7]]));
  await admin.deleteTopics({ topics: [topic] });
});

test('topics that are there already are left as they are, also where several create them at once', async (t) => {
  const names = [1, 2, 3].map((place) => `${randomPrefix()}${place}`);
  await using admin = await connectAdmin(testConnection());
  await createTopics(admin, [{ topic: names[0] ?? '', numPartitions: 2 }]);
  const all = names.map((topic) => ({ topic, numPartitions: 5 }));
  await Promise.all([createTopics(admin, all), createTopics(admin, all), createTopics(admin, all)]);
  t.deepEqual([...(await partitionCounts(admin, names)).values()], [2, 5, 5]);
  await admin.deleteTopics({ topics: names });
});

test('a topic that nobody created has no partitions', async (t) => {
  await using admin = await connectAdmin(testConnection());
  t.deepEqual(await partitionCounts(admin, [`${randomPrefix()}absent`]), new Map());
});

test('brokers that nobody has are named, and may be there later', async (t) => {
  const connection = { ...testConnection(), brokers: ['127.0.0.1:1'] };
  const error = await t.throwsAsync(connectAdmin(connection), { code: 'EVENT_LOG_FAILED' });
  t.like(error, { retriable: true });
  t.regex(error.message, /^connecting to Kafka at 127\.0\.0\.1:1 failed: .*ECONNREFUSED/u);
});

const { None, GZIP, ZSTD } = kafkajs.CompressionTypes;
for (const [name, compression] of Object.entries({ none: None, gzip: GZIP, zstd: ZSTD })) {
  test(`values that were compressed with ${name} are read back`, async (t) => {
    const topic = `${await makeTopics(t)}coverage`;
    const kafka = createKafka(testConnection());
    const producer = kafka.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner });
    await producer.connect();
    const value = Buffer.from('x'.repeat(100_000));
    await producer.send({ topic, compression, messages: [{ value }] });
    await producer.disconnect();
    const consumer = kafka.consumer({ groupId: topic, maxWaitTimeInMs: 50 });
    await consumer.connect();
    await consumer.subscribe({ topics: [topic], fromBeginning: true });
    const read = new Promise<Buffer | null>((resolve) => {
      void consumer.run({
        eachMessage: ({ message }) => {
          resolve(message.value);
          return Promise.resolve();
        },
      });
    });
    t.deepEqual(await read, value);
    await consumer.disconnect();
  });
}
