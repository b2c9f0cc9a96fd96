import test from 'ava';
import { avroTypeOf } from '../../schemas/avro-types.ts';
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
