import test from 'ava';
import type { TopicName } from '../../schemas/topics.ts';
import { SqliteReader } from '../../eventlog/sqlite-reader.ts';
import { openForWriting } from '../../eventlog/sqlite-layout.ts';
import { SqliteWriter } from '../../eventlog/sqlite-writer.ts';
import { packRequest, type PackedRequest } from '../../eventlog/write-protocol.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

function request(id: number, topics: readonly TopicName[]): PackedRequest {
  const records = topics.map((topic) => ({
    topic,
    key: String(id),
    value: Uint8Array.of(id),
    tablePositions: {},
    timestampMs: 0,
  }));
  return packRequest(id, { records });
}

test('a request that fails leaves nothing behind and does not fail those that share its transaction', (t) => {
  const database = openForWriting(temporaryDirectory(t), 'group');
  t.teardown(() => database.close());
  const writer = new SqliteWriter(database);
  const unknown = 'no-such-topic' as TopicName;
  const errors = writer.write([request(1, ['alerts']), request(2, ['alerts', unknown]), request(3, ['alerts'])]);
  t.deepEqual(
    errors.map((error) => error?.message),
    [undefined, 'no-such-topic is not a topic of schemas/topics.ts', undefined],
  );
  const { records, next } = new SqliteReader(database).fetch('alerts', 0, Infinity);
  t.deepEqual(
    records.map(({ key, offset, sequence }) => [key, offset, sequence]),
    [
      ['1', 0, 0],
      ['3', 1, 1],
    ],
  );
  t.is(next, 2);
});

test('a transaction that fails as a whole is undone, and the next one counts on from before it', (t) => {
  const database = openForWriting(temporaryDirectory(t), 'group');
  t.teardown(() => database.close());
  const writer = new SqliteWriter(database);
  writer.write([request(1, ['alerts'])]);
  // No room for another page: what a full disk is to SQLite.
  database.pragma(`max_page_count = ${String(database.pragma('page_count', { simple: true }))}`);
  const large = packRequest(2, {
    records: [{ topic: 'alerts', key: '2', value: new Uint8Array(1 << 20), tablePositions: {}, timestampMs: 0 }],
  });
  let failure: unknown;
  try {
    [failure] = writer.write([large]);
  } catch (error) {
    // SQLite decides whether the request's savepoint or the whole transaction is undone.
    failure = error;
  }
  t.regex(String(failure), /full/u);
  database.pragma('max_page_count = 1000000');
  t.deepEqual(writer.write([request(3, ['alerts'])]), [undefined]);
  const { records } = new SqliteReader(database).fetch('alerts', 0, Infinity);
  t.deepEqual(
    records.map(({ key, offset }) => [key, offset]),
    [
      ['1', 0],
      ['3', 1],
    ],
  );
});
