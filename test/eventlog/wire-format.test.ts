import avro from 'avsc';
import test from 'ava';
import fc from 'fast-check';
import { boundsCheckOf, MalformedAvro } from '../../eventlog/avro-bounds.ts';
import { RecordError } from '../../eventlog/errors.ts';
import { fingerprintOf } from '../../eventlog/fingerprint.ts';
import { createSingleObjectFormat } from '../../eventlog/wire-format.ts';
import { avroTypeOf, avroTypeWrittenAs, releasedTypesOf } from '../../schemas/avro-types.ts';
import { topicNames, type TopicName } from '../../schemas/topics.ts';
import { valuesOf } from './avro-arbitrary.ts';
import { event } from './toy.ts';

const format = createSingleObjectFormat();
const place = { topic: 'coverage', partition: 0, offset: 17 } as const;

// Values of the reference implementation: Apache Avro, share/test/data/schema-tests.txt.
for (const [schema, fingerprint] of [
  ['null', 7195948357588979594n],
  ['boolean', -6970731678124411036n],
  ['int', 8247732601305521295n],
  ['long', -3434872931120570953n],
  ['bytes', 5746618253357095269n],
  ['string', -8142146995180207161n],
] as const) {
  test(`the fingerprint of ${schema} is that of the reference implementation`, (t) => {
    t.is(BigInt.asIntN(64, fingerprintOf(avro.Type.forSchema(schema))), fingerprint);
  });
}

test('a fingerprint is of the parsing canonical form: names in full, without docs and defaults', (t) => {
  const bare = avro.Type.forSchema({ type: 'record', name: 'x.R', fields: [{ name: 'a', type: 'int' }] });
  const full = avro.Type.forSchema({
    type: 'record',
    namespace: 'x',
    name: 'R',
    doc: 'Text.',
    fields: [{ name: 'a', type: 'int', doc: 'Text.', default: 1 }],
  } as unknown as avro.Schema);
  t.is(fingerprintOf(full), fingerprintOf(bare));
});

test('no two topics share a fingerprint unless they share the type', (t) => {
  const names = new Map(
    topicNames.map((topic) => [fingerprintOf(avroTypeOf(topic).type), avroTypeOf(topic).type.name]),
  );
  t.is(names.size, new Set(topicNames.map((topic) => avroTypeOf(topic).type.name)).size);
});

test('a value comes back through the frame, and a frame begins as the specification says', (t) => {
  const record = event('node', 'text');
  if (!('value' in record) || record.topic !== 'coverage' || record.value === undefined) throw new Error('no value');
  const bytes = format.encode('coverage', record.value);
  t.deepEqual([...bytes.subarray(0, 2)], [0xc3, 0x01]);
  t.is(Buffer.from(bytes).readBigUInt64LE(2), fingerprintOf(avroTypeOf('coverage').type));
  t.deepEqual({ ...format.decode('coverage', bytes, place) }, record.value);
  t.deepEqual(format.frame('coverage', avroTypeOf('coverage').encode(record.value)), bytes);
});

for (const topic of topicNames) {
  test(`every value of ${topic} comes back, and none of its beginnings is taken for a value`, (t) => {
    const { type } = avroTypeOf(topic);
    fc.assert(
      fc.property(valuesOf(type), fc.nat(), (value, cut) => {
        const bytes = format.encode(topic, value as never);
        const decoded = format.decode(topic, bytes, { ...place, topic });
        t.deepEqual(plain(decoded), plain(value));
        t.deepEqual(format.encode(topic, decoded as never), bytes);
        t.deepEqual(format.frame(topic, format.unframe(topic, bytes, { ...place, topic })), bytes);
        const beginning = bytes.subarray(0, cut % bytes.length);
        t.throws(() => format.decode(topic, beginning, { ...place, topic }), { instanceOf: RecordError });
      }),
      { numRuns: 30 },
    );
  });

  for (const [by, type] of [['now', avroTypeOf(topic).type] as const, ...releasesOf(topic)]) {
    test(`whatever bytes are said to be ${topic} of ${by}, they are refused or decoded, in short time`, (t) => {
      const header = headerOf(type);
      fc.assert(
        fc.property(hostileBytes(type), (body) => {
          const bytes = Buffer.concat([header, body]);
          const before = process.threadCpuUsage();
          try {
            format.decode(topic, bytes, { ...place, topic });
          } catch (error) {
            t.true(error instanceof RecordError, String(error));
          }
          // CPU time of this thread, in microseconds, whatever else the machine does: some milliseconds in truth; an array
          // whose announced count is believed takes minutes.
          const { user, system } = process.threadCpuUsage(before);
          t.true(user + system < 20_000_000);
        }),
        { numRuns: 200 },
      );
    });
  }
}

test('what is passed on as it is, is what can be decoded, and else the error is the same', (t) => {
  const reasonOf = (read: () => unknown): string | undefined => {
    try {
      read();
      return undefined;
    } catch (error) {
      if (error instanceof RecordError) return error.message;
      throw error;
    }
  };
  let refused = 0;
  for (const topic of topicNames) {
    const header = format.frame(topic, new Uint8Array());
    const bodies = fc.oneof(hostileBytes(avroTypeOf(topic).type), longsBeyond(topic));
    fc.assert(
      fc.property(bodies, (body) => {
        const bytes = Buffer.concat([header, body]);
        const reason = reasonOf(() => format.decode(topic, bytes, { ...place, topic }));
        if (reason?.includes('precision') === true) refused += 1;
        return reasonOf(() => format.unframe(topic, bytes, { ...place, topic })) === reason;
      }),
      { numRuns: 200 },
    );
  }
  t.true(refused > 0);
});

test('an unreadable value is told apart by what is wrong, with topic, offset and byte', (t) => {
  const bytes = format.frame('coverage', new Uint8Array([0xff]));
  const errorOf = (broken: Uint8Array): RecordError | undefined =>
    t.throws(() => format.decode('coverage', broken, place), { instanceOf: RecordError, code: 'RECORD_UNREADABLE' });
  t.like(errorOf(new Uint8Array([1, 2, 3])), { topic: 'coverage', partition: 0, offset: 17, bytePosition: 0 });
  t.is(errorOf(bytes)?.message, 'cannot read the record at coverage/0 offset 17 at byte 11: the value ends early');
  const otherSchema = format.frame('policies', new Uint8Array());
  t.regex(
    errorOf(otherSchema)?.message ?? '',
    /at byte 2: it was written with a schema that this version does not know/u,
  );
});

test('a value of an unknown schema is refused with the fingerprint and what can read it; one cut in the fingerprint as no frame', (t) => {
  const bytes = format.frame('coverage', Uint8Array.of(1, 2, 3));
  Buffer.from(bytes.buffer).writeBigUInt64LE(0x12_34n, 2);
  const decode = (given: Uint8Array): unknown => format.decode('coverage', given, place);
  t.throws(() => decode(bytes), {
    instanceOf: RecordError,
    message: /of fingerprint 0000000000001234; a version at least as new as the one that wrote it can read it$/u,
  });
  t.throws(() => decode(bytes.subarray(0, 9)), {
    message: /at byte 0: it begins neither as Avro single-object encoding nor as Confluent's wire format does/u,
  });
});

for (const topic of topicNames) {
  for (const [version, released] of releasesOf(topic)) {
    const header = headerOf(released);

    test(`${topic} as ${version} wrote it is decoded by its fingerprint, and none of its beginnings is`, (t) => {
      fc.assert(
        fc.property(valuesOf(released), fc.nat(), (value, cut) => {
          const bytes = Buffer.concat([header, released.toBuffer(value)]);
          const decoded = format.decode(topic, bytes, { ...place, topic });
          t.deepEqual(released.toBuffer(decoded), bytes.subarray(header.length));
          t.deepEqual(format.unframe(topic, bytes, { ...place, topic }), avroTypeOf(topic).type.toBuffer(decoded));
          const beginning = bytes.subarray(0, cut % bytes.length);
          t.throws(() => format.decode(topic, beginning, { ...place, topic }), { instanceOf: RecordError });
        }),
        { numRuns: 30 },
      );
    });
  }
}

test('an array that announces more items than there are bytes is refused before anything is allocated', (t) => {
  const check = boundsCheckOf(avro.Type.forSchema({ type: 'array', items: 'string' }));
  const announced = avro.Type.forSchema('long').toBuffer(2 ** 40);
  const error = t.throws(() => check(announced, 0), { instanceOf: MalformedAvro });
  t.is(error.message, `${2 ** 40} items announced, 0 bytes left`);
});

for (const schema of [
  'null',
  'boolean',
  'int',
  'long',
  'float',
  'double',
  'bytes',
  'string',
  { type: 'fixed', name: 'F', size: 3 },
  { type: 'enum', name: 'E', symbols: ['a', 'b'] },
  { type: 'array', items: 'long' },
  { type: 'map', values: 'bytes' },
  ['null', 'string', 'long'],
] as readonly avro.Schema[]) {
  test(`the check of ${JSON.stringify(schema)} ends where the value ends, and refuses what is shorter`, (t) => {
    const type = avro.Type.forSchema(schema, { wrapUnions: false });
    const check = boundsCheckOf(type);
    fc.assert(
      fc.property(valuesOf(type), (value) => {
        const bytes = type.toBuffer(value);
        t.is(check(Buffer.concat([bytes, Buffer.alloc(3)]), 0), bytes.length);
        if (bytes.length > 0) t.throws(() => check(bytes.subarray(0, -1), 0), { instanceOf: MalformedAvro });
      }),
      { numRuns: 30 },
    );
  });
}

test('a type that contains itself is checked to its end', (t) => {
  const tail = { name: 'tail', type: ['null', 'List'] };
  const schema = { type: 'record', name: 'List', fields: [{ name: 'head', type: 'int' }, tail] };
  const type = avro.Type.forSchema(schema as avro.Schema, { wrapUnions: false });
  const bytes = type.toBuffer({ head: 1, tail: { head: 2, tail: null } });
  t.is(boundsCheckOf(type)(bytes, 0), bytes.length);
  t.throws(() => boundsCheckOf(type)(bytes.subarray(0, -1), 0), { instanceOf: MalformedAvro });
});

test('a number of more than ten bytes, a length below zero and an index that is none are refused at their byte', (t) => {
  const refusal = (schema: avro.Schema, bytes: readonly number[]): unknown => {
    const error = t.throws(() => boundsCheckOf(avro.Type.forSchema(schema))(Uint8Array.from(bytes), 0), {
      instanceOf: MalformedAvro,
    });
    return [error.message, error.bytePosition];
  };
  t.deepEqual(
    refusal(
      'long',
      Array.from({ length: 20 }, () => 0x80),
    ),
    ['a number of more than ten bytes', 0],
  );
  t.deepEqual(refusal('bytes', [1]), ['-1 bytes announced, 0 left', 0]);
  t.deepEqual(refusal(['null', 'int'], [4]), ['no such union branch', 0]);
  t.deepEqual(refusal({ type: 'enum', name: 'E', symbols: ['a'] }, [2]), ['no such enum symbol', 0]);
  t.deepEqual(refusal('boolean', [2]), ['a boolean is neither 0 nor 1', 0]);
  t.deepEqual(refusal({ type: 'array', items: 'null' }, [2, 0]), ['an item without bytes', 1]);
});

function releasesOf(topic: TopicName): readonly (readonly [version: string, type: avro.Type])[] {
  return releasedTypesOf(topic).map(({ version, type }) => [version, type] as const);
}

/** Of Avro single-object encoding. */
function headerOf(type: avro.Type): Buffer {
  const header = Buffer.from([0xc3, 0x01, 0, 0, 0, 0, 0, 0, 0, 0]);
  header.writeBigUInt64LE(fingerprintOf(type), 2);
  return header;
}

/** Without avsc's classes, and bytes of either class as one. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, plain(part)]));
}

/** Bytes from nowhere, values of the type with bytes changed, and values with a huge count in the middle. */
function hostileBytes(type: avro.Type): fc.Arbitrary<Uint8Array> {
  const encoded = valuesOf(type).map((value) => type.toBuffer(value));
  const change = fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 }));
  const changed = fc.tuple(encoded, fc.array(change, { minLength: 1, maxLength: 3 })).map(([bytes, changes]) => {
    for (const [position, byte] of changes) bytes[position % bytes.length] = byte;
    return bytes;
  });
  const counts = fc.constantFrom(2 ** 31, 2 ** 52, -(2 ** 40));
  const long = avro.Type.forSchema('long');
  const huge = fc.tuple(encoded, fc.nat(), counts).map(([bytes, position, count]) => {
    const middle = position % bytes.length;
    return Buffer.concat([bytes.subarray(0, middle), long.toBuffer(count), bytes.subarray(middle)]);
  });
  return fc.oneof(fc.uint8Array({ maxLength: 200 }), changed, huge);
}

/** Values of the topic in which every long may take its 64 bits. */
function longsBeyond(topic: TopicName): fc.Arbitrary<Uint8Array> {
  const widened = (part: unknown): unknown => {
    if (part === 'long') return { type: 'long', javaScript: 'bigint' };
    if (Array.isArray(part)) return part.map(widened);
    if (typeof part !== 'object' || part === null) return part;
    return Object.fromEntries(
      Object.entries(part).map(([name, inner]) => [
        name,
        name === 'type' && inner === 'long' && 'javaScript' in part ? inner : widened(inner),
      ]),
    );
  };
  const type = avroTypeWrittenAs(widened(avroTypeOf(topic).type.schema({ exportAttrs: true })));
  return valuesOf(type).map((value) => type.toBuffer(value));
}

test('an int beyond 32 bits is refused at its byte', (t) => {
  const check = boundsCheckOf(avro.Type.forSchema('int'));
  const long = avro.Type.forSchema('long');
  for (const fits of [2 ** 31 - 1, -(2 ** 31)]) t.is(check(long.toBuffer(fits), 0), 5);
  for (const beyond of [2 ** 31, -(2 ** 31) - 1, 2 ** 50]) {
    t.throws(() => check(long.toBuffer(beyond), 0), { instanceOf: MalformedAvro, message: 'an int beyond 32 bits' });
  }
});
