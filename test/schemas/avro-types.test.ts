import fc from 'fast-check';
import test from 'ava';
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

const bigintType = avroTypeWrittenAs({ type: 'long', javaScript: 'bigint' });

/** Avro 1.11, "Binary Encoding": zig-zag, then seven bits a byte, the lowest first. */
function varint(value: bigint): readonly number[] {
  const bytes: number[] = [];
  let rest = value >= 0n ? 2n * value : -2n * value - 1n;
  for (; rest >= 128n; rest /= 128n) bytes.push(Number(rest % 128n) + 128);
  return [...bytes, Number(rest)];
}

const edges = Array.from({ length: 64 }, (_, bits) => 2n ** BigInt(bits)).flatMap((power) =>
  [power - 1n, power, -power, -power - 1n].filter((value) => BigInt.asIntN(64, value) === value),
);

test('any 64 bits are written as Avro has a long, and read again', (t) => {
  const any = fc.oneof(fc.constantFrom(...edges), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }));
  fc.assert(
    fc.property(any, (value) => {
      const bytes = bigintType.toBuffer(value);
      t.deepEqual([...bytes], varint(value));
      t.is(bigintType.fromBuffer(bytes), value);
    }),
    { examples: edges.map((value) => [value]) },
  );
});

test('a 64-bit field refuses what does not fit, and bytes that end early', (t) => {
  for (const value of [2n ** 63n, -(2n ** 63n) - 1n, 5, '5', null]) {
    t.throws(() => bigintType.toBuffer(value), { message: /invalid "long"/ });
  }
  for (const value of [300n, 2n ** 40n, 2n ** 62n]) {
    const bytes = bigintType.toBuffer(value);
    t.throws(() => bigintType.fromBuffer(bytes.subarray(0, -1)) as unknown, { message: /truncated/ });
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
