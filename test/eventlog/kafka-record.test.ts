import test from 'ava';
import fc from 'fast-check';
import type { UnstoredRecord } from '../../eventlog/log-store.ts';
import { MessageMaker, partitionKeyOf, recordOf, type ReadMessage } from '../../eventlog/kafka-record.ts';
import { topicNames } from '../../schemas/topics.ts';

const maker = new MessageMaker('palisade/1.2.3');

function record(change: Partial<UnstoredRecord> = {}): UnstoredRecord {
  return { topic: 'coverage', key: 'a', value: new Uint8Array([1]), tablePositions: {}, timestampMs: 7, ...change };
}

/** The message as it is read. */
function asRead(written: UnstoredRecord): ReadMessage {
  const { key, value, headers, timestamp } = maker.message(written, 1);
  const read = Object.entries(headers ?? {}).map(([name, text]) => [name, Buffer.from(String(text))]);
  return {
    offset: '5',
    timestamp: timestamp ?? '',
    key: Buffer.from(String(key)),
    value: value === null || typeof value === 'string' ? null : value,
    headers: Object.fromEntries(read) as NonNullable<ReadMessage['headers']>,
  };
}

test('a record is read as it was written', (t) => {
  const positions = fc.dictionary(fc.constantFrom(...topicNames), fc.maxSafeNat());
  const records = fc.record({
    topic: fc.constantFrom('coverage' as const, 'policies' as const),
    key: fc.string({ unit: 'binary' }),
    value: fc.option(fc.uint8Array(), { nil: undefined }),
    tablePositions: positions,
    timestampMs: fc.nat(),
  });
  fc.assert(
    fc.property(records, (written) => {
      const { partition, offset, damage, value, ...read } = recordOf(written.topic, 3, asRead(written));
      t.deepEqual({ partition, offset, damage }, { partition: 3, offset: 5, damage: undefined });
      t.deepEqual(value && new Uint8Array(value), written.value);
      const { topic, key, timestampMs, tablePositions } = written;
      t.deepEqual(read, { topic, key, timestampMs, tablePositions: { ...tablePositions } });
    }),
  );
});

test('headers say the schema, the program and the tables', (t) => {
  const { headers } = maker.message(record({ tablePositions: { policies: 12, workloads: 0 } }), 1);
  t.regex(String(headers?.['schema']), /^[0-9a-f]{16}$/u);
  t.is(headers?.['producer'], 'palisade/1.2.3');
  t.is(headers?.['tables'], 'policies=12,workloads=0');
});

for (const tables of [
  'policies',
  'policies=',
  'policies=-1',
  'nothing=1',
  'policies=1,',
  'policies=99999999999999999999',
]) {
  test(`a header \`tables\` of “${tables}” makes the record a damaged one`, (t) => {
    const message = { ...asRead(record()), headers: { tables } };
    t.is(recordOf('alerts', 0, message).damage, 'its header `tables` is no list of table positions');
  });
}

test('what a node stamps on its own raw events counts for nothing', (t) => {
  const message = { ...asRead(record()), headers: { tables: 'policies=999' } };
  t.like(recordOf('raw-events', 0, message), { tablePositions: {}, damage: undefined });
});

test('headers of any bytes are read or make the record a damaged one', (t) => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      const read = recordOf('alerts', 0, { ...asRead(record()), headers: { tables: Buffer.from(bytes) } });
      t.true(read.damage !== undefined || Object.values(read.tablePositions).every(Number.isSafeInteger));
    }),
  );
});

/*
 * From Apache Kafka's own test of murmur2 (clients/src/test/java/org/apache/kafka/common/utils/UtilsTest.java), as
 * `toPositive(murmur2(key)) % 32`.
 */
const hashes: Readonly<Record<string, number>> = {
  '21': -973932308,
  foobar: -790332482,
  'a-little-bit-long-string': -985981536,
  'a-little-bit-longer-string': -1486304829,
};
for (const [key, hash] of Object.entries(hashes)) {
  test(`the key “${key}” is in the partition that Java's clients choose`, (t) => {
    t.is(maker.message(record({ key }), 32).partition, (hash & 0x7fffffff) % 32);
  });
}

test("a node's state is in the partition of the node's records", (t) => {
  t.is(partitionKeyOf('enricher-state', 'node/with/slashes/15'), 'node/with/slashes');
  fc.assert(
    fc.property(fc.string(), fc.nat(), (node, slot) => {
      const state = maker.message(record({ topic: 'enricher-state', key: `${node}/${slot}` }), 32);
      t.is(state.partition, maker.message(record({ topic: 'raw-events', key: node }), 32).partition);
    }),
  );
});
