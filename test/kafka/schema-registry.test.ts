import test from 'ava';
import fc from 'fast-check';
import { RecordError } from '../../eventlog/errors.ts';
import { RegisteredSchemas } from '../../eventlog/registered-schemas.ts';
import { SchemaRegistry } from '../../eventlog/schema-registry.ts';
import { createConfluentFormat, createSingleObjectFormat } from '../../eventlog/wire-format.ts';
import { avroTypeOf, releasedTypesOf } from '../../schemas/avro-types.ts';
import { releasedAvroSchemas } from '../../schemas/generated.ts';
import { selfContainedSchema } from '../../schemas/self-contained.ts';
import { topicNames, type TopicName } from '../../schemas/topics.ts';
import { valuesOf } from '../eventlog/avro-arbitrary.ts';
import { startSchemaRegistry, type RunningRegistry } from './schema-registry.ts';
import { randomPrefix } from './topics.ts';

// Against a real registry: Apicurio, by Confluent's API.

const never = new AbortController().signal;
let running: RunningRegistry;

test.before(async () => {
  running = await startSchemaRegistry();
});
test.after.always(async () => {
  await running[Symbol.asyncDispose]();
});

/** Subjects that no other test has. */
function subjects(): (topic: TopicName) => string {
  const prefix = randomPrefix();
  return (topic) => `${prefix}${topic}-value`;
}

function client(): SchemaRegistry {
  return new SchemaRegistry({ url: running.url, timeoutMs: 60_000 });
}

/** What the registry compares new versions of the subject with, and how. */
async function setCompatibility(subject: string, compatibility: string): Promise<void> {
  const response = await fetch(`${running.url}/config/${subject}`, {
    method: 'PUT',
    headers: { 'content-type': 'application/vnd.schemaregistry.v1+json' },
    body: JSON.stringify({ compatibility }),
  });
  if (!response.ok) throw new Error(`the registry answers ${response.status}: ${await response.text()}`);
}

function sample(topic: TopicName, type = avroTypeOf(topic).type): never {
  const [value] = fc.sample(valuesOf(type), { numRuns: 1, seed: 1 });
  return value as never;
}

function open(subjectOf: (topic: TopicName) => string, written = topicNames, mayRegister = true) {
  return RegisteredSchemas.open({ registry: client(), written, mayRegister, subjectOf, signal: never });
}

test('every topic gets an id, the same each time, for those who register and for those who look up', async (t) => {
  const subjectOf = subjects();
  const first = await open(subjectOf);
  const again = await open(subjectOf);
  const reader = await open(subjectOf, topicNames, false);
  for (const topic of topicNames) {
    t.true(first.idOf(topic) > 0);
    t.is(again.idOf(topic), first.idOf(topic));
    t.is(reader.idOf(topic), first.idOf(topic));
    t.deepEqual(await client().versionsOf(subjectOf(topic), never), [1]);
  }
});

test('who may not register and finds no schema is told so', async (t) => {
  const subjectOf = subjects();
  await t.throwsAsync(open(subjectOf, ['alerts'], false), {
    code: 'SCHEMA_REGISTRY_FAILED',
    message: /alerts-value has no such schema at the registry .*, and this process may not register it/u,
  });
  // The subject is there, with another schema.
  await client().register(subjectOf('alerts'), '"string"', never);
  await t.throwsAsync(open(subjectOf, ['alerts'], false), { message: /has no such schema at the registry/u });
});

for (const topic of topicNames) {
  test(`a value of ${topic} goes with its id, and is read by another process that had not met the id`, async (t) => {
    const subjectOf = subjects();
    const writing = await open(subjectOf, [topic]);
    const bytes = createConfluentFormat(writing).encode(topic, sample(topic));
    t.deepEqual([bytes[0], Buffer.from(bytes).readUInt32BE(1)], [0, writing.idOf(topic)]);

    const format = createConfluentFormat(await open(subjectOf, []));
    const place = { topic, partition: 3, offset: 9 };
    await format.prepare(topic, [undefined, bytes]);
    t.is(format.prepare(topic, [bytes]), undefined, 'and knows it from then on');
    const { type } = avroTypeOf(topic);
    t.deepEqual(type.toBuffer(format.decode(topic, bytes, place)), type.toBuffer(sample(topic)));
    t.deepEqual(format.unframe(topic, bytes, place), bytes.subarray(5));

    // The other frame is read as well.
    const single = createSingleObjectFormat().encode(topic, sample(topic));
    t.is(format.prepare(topic, [single]), undefined);
    t.deepEqual(format.unframe(topic, single, place), bytes.subarray(5));
  });

  for (const { version, type: released } of releasedTypesOf(topic)) {
    test(`${topic}: the registry holds the schema for fully compatible with that of ${version}, whose values are read`, async (t) => {
      const subjectOf = subjects();
      const schemas = releasedAvroSchemas.find((release) => release.version === version)?.schemas;
      const id = await client().register(subjectOf(topic), selfContainedSchema(topic, schemas), never);
      await setCompatibility(subjectOf(topic), 'FULL_TRANSITIVE');
      const registered = await open(subjectOf, [topic]);

      const format = createConfluentFormat(registered);
      const header = Buffer.alloc(5);
      header.writeUInt32BE(id, 1);
      const value = released.toBuffer(sample(topic, released));
      const bytes = Buffer.concat([header, value]);
      await format.prepare(topic, [bytes]);
      const place = { topic, partition: 3, offset: 9 };
      const decoded = format.decode(topic, bytes, place);
      t.deepEqual(released.toBuffer(decoded), value);
      t.deepEqual(format.unframe(topic, bytes, place), avroTypeOf(topic).type.toBuffer(decoded));
    });
  }
}

test('a schema that the registry refuses is told with version, compatibility and its words', async (t) => {
  const subjectOf = subjects();
  const foreign = { type: 'record', name: 'Alert', namespace: 'palisade', fields: [{ name: 'nodeId', type: 'int' }] };
  await client().register(subjectOf('alerts'), JSON.stringify(foreign), never);
  await setCompatibility(subjectOf('alerts'), 'BACKWARD');
  const error = await t.throwsAsync(open(subjectOf, ['alerts']), { code: 'SCHEMA_REGISTRY_FAILED' });
  t.regex(
    error.message,
    /refuses the schema of .*alerts-value: it is not compatible with version 1 under compatibility BACKWARD/u,
  );
  t.regex(error.message, /It says: .*Incompatible artifact.* Either a newer version of Palisade wrote there/u);
  t.like(error, { status: 409, retriable: false });
});

test('ids that are of nothing, of another topic or of a schema that is no use are told apart, and are dead letters', async (t) => {
  const subjectOf = subjects();
  const registered = await open(subjectOf, ['alerts', 'coverage']);
  const foreign = { type: 'record', name: 'Other', fields: [{ name: 'x', type: 'int' }] };
  const otherId = await client().register(subjectOf('alerts'), JSON.stringify(foreign), never);
  const format = createConfluentFormat(registered);
  const framed = (id: number): Uint8Array => {
    const bytes = Buffer.alloc(8);
    bytes.writeUInt32BE(id, 1);
    return bytes;
  };
  const messageOf = (id: number): string => {
    const read = (): unknown => format.decode('alerts', framed(id), { topic: 'alerts', partition: 0, offset: 4 });
    return t.throws(read, { instanceOf: RecordError }).message;
  };
  await format.prepare('alerts', [framed(otherId), framed(4_000_000_000)]);
  t.regex(messageOf(4_000_000_000), /at byte 1: its schema id 4000000000 is of no version of test-.*alerts-value$/u);
  t.regex(messageOf(registered.idOf('coverage')), /is of no version of test-/u);
  t.regex(messageOf(otherId), new RegExp(`the schema with id ${otherId} cannot be read as this version's: .*`, 'u'));
  // What was wrong once is still read when it has become right.
  const place = { topic: 'alerts', partition: 0, offset: 5 } as const;
  const good = format.encode('alerts', sample('alerts'));
  await format.prepare('alerts', [good]);
  t.deepEqual(format.unframe('alerts', good, place), good.subarray(5));
});
