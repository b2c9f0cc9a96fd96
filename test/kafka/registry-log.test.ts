import test from 'ava';
import fc from 'fast-check';
import type { LogRecord } from '../../eventlog/event-log.ts';
import { createKafka } from '../../eventlog/kafka-client.ts';
import { RegisteredSchemas } from '../../eventlog/registered-schemas.ts';
import { SchemaRegistry } from '../../eventlog/schema-registry.ts';
import { createConfluentFormat } from '../../eventlog/wire-format.ts';
import { avroTypeOf, releasedTypesOf } from '../../schemas/avro-types.ts';
import { releasedAvroSchemas } from '../../schemas/generated.ts';
import { selfContainedSchema } from '../../schemas/self-contained.ts';
import type { TopicName } from '../../schemas/topics.ts';
import { valuesOf } from '../eventlog/avro-arbitrary.ts';
import { event, policy, recordsOf, textOf } from '../eventlog/toy.ts';
import { openKafkaLog } from './kafka-log.ts';
import { startSchemaRegistry, type RunningRegistry } from './schema-registry.ts';
import { makeTopics, testConnection } from './topics.ts';

// The log on Kafka with a schema registry beside it, both real.

const never = new AbortController().signal;
let running: RunningRegistry;

test.before(async () => {
  running = await startSchemaRegistry();
});
test.after.always(async () => {
  await running[Symbol.asyncDispose]();
});

async function formatFor(prefix: string, written: readonly TopicName[]) {
  const registry = new SchemaRegistry({ url: running.url, timeoutMs: 60_000 });
  const subjectOf = (topic: TopicName): string => `${prefix}${topic}-value`;
  const registered = await RegisteredSchemas.open({ registry, written, mayRegister: true, subjectOf, signal: never });
  return { registry, registered, subjectOf, format: createConfluentFormat(registered) };
}

test('a log with a registry writes ids, and logs that had not met them read and consume what it wrote', async (t) => {
  const prefix = await makeTopics(t);
  const { registered, format } = await formatFor(prefix, ['coverage', 'policies']);
  const writer = await openKafkaLog(t, { prefix, format });
  await writer.append([policy('p', 'x'), event('a', '1'), event('a', '2')]);

  // What somebody reads who knows the wire format, and neither our log nor our schemas.
  const consumer = createKafka(testConnection()).consumer({ groupId: `${prefix}outside`, maxWaitTimeInMs: 50 });
  await consumer.connect();
  await consumer.subscribe({ topics: [`${prefix}coverage`], fromBeginning: true });
  const header = await new Promise<Buffer>((resolve) => {
    void consumer.run({
      eachMessage: ({ message }) => {
        resolve((message.value ?? Buffer.alloc(5)).subarray(0, 5));
        return Promise.resolve();
      },
    });
  });
  await consumer.disconnect();
  t.deepEqual([header[0], header.readUInt32BE(1)], [0, registered.idOf('coverage')]);

  const reader = await openKafkaLog(t, { prefix, format: (await formatFor(prefix, [])).format });
  t.deepEqual((await recordsOf(reader, ['coverage'])).map(textOf), ['1', '2']);
  t.is((await reader.table('policies')).records.length, 1);

  const owner = await openKafkaLog(t, { prefix, format: (await formatFor(prefix, [])).format });
  const stop = new AbortController();
  const consumed: LogRecord[] = [];
  const options = { group: 'g', topics: ['coverage'], tables: ['policies'], signal: stop.signal } as const;
  await owner.consume(options, async (partition) => {
    for await (const batch of partition.batches()) {
      consumed.push(...batch.records);
      await batch.commit([]);
      if (consumed.length >= 3) stop.abort();
    }
  });
  t.deepEqual(
    consumed.map((record) => (record.topic === 'policies' ? record.key : textOf(record))),
    ['p', '1', '2'],
  );
});

test('values of an earlier schema, of ours and of no frame stand in one topic and are each read or told', async (t) => {
  const prefix = await makeTopics(t);
  const { registry, registered, subjectOf } = await formatFor(prefix, []);
  const released = releasedTypesOf('coverage')[0]?.type;
  if (released === undefined) throw new Error('there is no earlier schema of coverage');
  const earlier = selfContainedSchema('coverage', releasedAvroSchemas[0]?.schemas);
  const id = await registry.register(subjectOf('coverage'), earlier, never);
  const header = Buffer.alloc(5);
  header.writeUInt32BE(id, 1);
  const [old] = fc.sample(valuesOf(released), { numRuns: 1, seed: 3 });
  const [now] = fc.sample(valuesOf(avroTypeOf('coverage').type), { numRuns: 1, seed: 4 });

  const producer = createKafka(testConnection()).producer();
  await producer.connect();
  t.teardown(() => producer.disconnect());
  const unknown = Buffer.from([0, 0x7f, 0xff, 0xff, 0xff, 1]);
  const values = [Buffer.concat([header, released.toBuffer(old)]), unknown, Buffer.from('{"json": true}')];
  await producer.send({ topic: `${prefix}coverage`, messages: values.map((value) => ({ key: 'n', value })) });
  // Without a registry: Avro's single-object encoding.
  await (await openKafkaLog(t, { prefix })).append([{ topic: 'coverage', key: 'n', value: now as never }]);

  const log = await openKafkaLog(t, { prefix, format: createConfluentFormat(registered) });
  const records = await recordsOf(log, ['coverage']);
  t.is(records.length, 4);
  const [first, second, third, fourth] = records;
  t.deepEqual(released.toBuffer(first?.value), released.toBuffer(old));
  t.throws(() => second?.value, { message: /schema id 2147483647 is of no version of test-.*coverage-value/u });
  t.throws(() => third?.value, { message: /it begins neither as Avro single-object encoding nor as Confluent's/u });
  t.deepEqual(avroTypeOf('coverage').type.toBuffer(fourth?.value), avroTypeOf('coverage').type.toBuffer(now));

  // Whoever has no registry says what it lacks.
  const [bare] = await recordsOf(await openKafkaLog(t, { prefix }), ['coverage']);
  t.throws(() => bare?.value, {
    message: new RegExp(`it has the schema id ${id} of a registry, and none is configured`, 'u'),
  });
});
