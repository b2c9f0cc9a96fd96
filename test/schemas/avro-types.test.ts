import test from 'ava';
import avro from 'avsc';
import fc from 'fast-check';
import { avroTypeOf, avroTypeWrittenAs } from '../../schemas/avro-types.ts';
import type { Coverage } from '../../schemas/generated.ts';
import { topicNames } from '../../schemas/topics.ts';

test('every topic has an Avro type', (t) => {
  for (const topic of topicNames) t.is(avroTypeOf(topic).type.typeName, 'record');
});

test('a 64-bit field keeps values beyond 2^53 as bigint and is an ordinary long on the wire', (t) => {
  const type = avroTypeOf('coverage');
  const value: Coverage = {
    nodeId: 'n',
    bootId: 'b',
    session: 2n ** 62n + 1n,
    origin: 'live',
    fromTimeNs: -1n,
    toTimeNs: 0n,
    wallClockOffsetNs: 1n,
    firstBatch: 1,
    lastBatch: 2,
    cpus: [],
    operations: [],
    gaps: [{ reason: 'monitorAway', fromTimeNs: 5n, toTimeNs: 6n, lost: null, detail: '' }],
    sessionEnded: false,
    evictedProcesses: 0,
    evictedContainers: 0,
    helperFailures: [],
  };
  const bytes = type.encode(value);
  t.deepEqual({ ...type.decode(bytes) }.session, value.session);
  t.is(type.decode(bytes).gaps[0]?.toTimeNs, 6n);
  t.true(JSON.stringify(type.type.schema()).includes('"long"'));
});

/** At every length that a long may have, both signs. */
const longs = fc.oneof(
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc
    .tuple(fc.nat({ max: 63 }), fc.integer({ min: -2, max: 2 }), fc.constantFrom(1n, -1n))
    .map(([bits, by, sign]) => BigInt.asIntN(64, sign * 2n ** BigInt(bits) + BigInt(by))),
);

test('a bigint has the bytes of the long that it is, as any Avro tool writes and reads them', (t) => {
  const type = avroTypeWrittenAs({ type: 'long', javaScript: 'bigint' });
  // avsc's own way to longs of 64 bits.
  const own = avro.types.LongType.__with({
    fromBuffer: (buffer: Buffer) => buffer.readBigInt64LE(),
    toBuffer: (value: bigint) => {
      const buffer = Buffer.alloc(8);
      buffer.writeBigInt64LE(value);
      return buffer;
    },
    fromJSON: BigInt,
    toJSON: Number,
    isValid: () => true,
    compare: () => 0,
  });
  fc.assert(
    fc.property(longs, (value) => {
      const bytes = type.toBuffer(value);
      t.deepEqual(bytes, own.toBuffer(value));
      t.is(type.fromBuffer(bytes), value);
      if (bytes.length > 1) t.throws(() => type.fromBuffer(bytes.subarray(0, -1)) as unknown);
    }),
    { numRuns: 500 },
  );
  for (const invalid of [1, '1', null, undefined, 2n ** 63n, -(2n ** 63n) - 1n]) {
    t.false(type.isValid(invalid));
    t.throws(() => type.toBuffer(invalid), { message: /invalid "long"/u });
  }
});

test('bytes are any Uint8Array, a view of a larger one too', (t) => {
  const type = avroTypeOf('dead-letters');
  const deadLetter = { topic: 'raw-events', partition: 0, offset: 1, key: 'n', stage: 'enricher', reason: 'no' };
  const bytes = new Uint8Array([9, 255, 0, 10, 9]).subarray(1, 4);
  t.deepEqual([...type.decode(type.encode({ ...deadLetter, bytes })).bytes], [255, 0, 10]);
  t.true(type.type.isValid({ ...deadLetter, bytes }));
  t.throws(() => type.encode({ ...deadLetter, bytes: 'text' as unknown as Uint8Array }), {
    message: /invalid "bytes"/,
  });
});
