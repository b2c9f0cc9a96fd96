import { readdirSync, readFileSync } from 'node:fs';
import test, { type ExecutionContext } from 'ava';
import Database from 'better-sqlite3';
import { createCrc32c } from '../../eventlog/crc32c.ts';
import { EmbeddedEventLog } from '../../eventlog/embedded.ts';
import { databasePath, openForWriting } from '../../eventlog/sqlite-layout.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { event, policy, recordsOf, removedPolicy, textOf, textsOf } from './toy.ts';

/** A closed log whose file says that it has another layout. */
async function logOfLayout(t: ExecutionContext, layout: number, change: string): Promise<string> {
  const directory = temporaryDirectory(t);
  {
    await using log = await EmbeddedEventLog.open({ directory });
    await log.append([event('a', '1'), policy('p', 'x'), removedPolicy('p'), event('a', '2')]);
  }
  const database = new Database(databasePath(directory));
  const crc32c = createCrc32c();
  database.function('crc_of_value', (value) => (value === null ? null : crc32c(value as Buffer)));
  database.exec(`${change}; PRAGMA user_version = ${layout}`);
  database.close();
  return directory;
}

test('a log of a newer version is refused with both versions and the remedy, and not a byte of it is changed', async (t) => {
  const directory = await logOfLayout(t, 3, '');
  const before = readFileSync(databasePath(directory)).toString('base64');
  const error = await t.throwsAsync(EmbeddedEventLog.open({ directory }), { code: 'DATA_TOO_NEW' });
  t.regex(
    error.message,
    /events\.sqlite has layout 3, this version of Palisade knows layouts up to 2: use the newer version that wrote it/u,
  );
  t.throws(() => EmbeddedEventLog.openReadOnly({ directory }), { code: 'DATA_TOO_NEW', message: /has layout 3/u });
  t.deepEqual(readdirSync(directory).sort(), ['events.sqlite', 'owner.lock']);
  t.is(readFileSync(databasePath(directory)).toString('base64'), before);
});

test('a newer layout that only the WAL tells is refused as well', async (t) => {
  const directory = temporaryDirectory(t);
  await using log = await EmbeddedEventLog.open({ directory });
  await log.append([event('a', '1')]);
  const database = new Database(databasePath(directory));
  t.teardown(() => database.close());
  database.pragma('user_version = 3');
  t.throws(() => openForWriting(directory, 'group'), { code: 'DATA_TOO_NEW' });
});

/** Checksums of values alone, none for tombstones, and no marks: as layout 1 had them. */
const layout1 = ['coverage', 'policies']
  .map((topic) => `UPDATE "${topic}/0" SET crc = crc_of_value(v)`)
  .concat('DROP TABLE written')
  .join(';');

test('a log of layout 1 is read as it is, and is layout 2 once it is opened for writing', async (t) => {
  const directory = await logOfLayout(t, 1, layout1);
  {
    await using reader = EmbeddedEventLog.openReadOnly({ directory });
    t.deepEqual(await textsOf(reader, ['coverage']), ['1', '2']);
  }
  {
    await using log = await EmbeddedEventLog.open({ directory });
    t.deepEqual(
      (await recordsOf(log, ['policies'])).map(({ value }) => value === undefined),
      [false, true],
    );
    await log.append([event('a', '3')]);
    t.deepEqual(await textsOf(log, ['coverage']), ['1', '2', '3']);
  }
  const database = new Database(databasePath(directory), { readonly: true });
  t.teardown(() => database.close());
  t.is(database.pragma('user_version', { simple: true }), 2);
});

const changes: readonly [string, string][] = [
  ['the key', "k = 'b'"],
  ['the offset', 'o = 7'],
  ['the place in the order of the log', 's = s + 1'],
  ['the time', 'ts = ts + 1'],
  ['the stamped positions', `p = '{"policies":1'`],
  ['the value', "v = CAST(substr(v, 1, length(v) - 1) || x'ff' AS BLOB)"],
  ['the value, which is gone', 'v = NULL'],
  ['the checksum', 'crc = crc + 1'],
  ['the checksum, to one of layout 1', 'crc = crc - 4294967296'],
  ['the checksum, which is gone', 'crc = NULL'],
];
for (const [what, change] of changes) {
  test(`a stored record of which ${what} was changed cannot be read, and its neighbors can`, async (t) => {
    const directory = temporaryDirectory(t);
    {
      await using log = await EmbeddedEventLog.open({ directory });
      for (const text of ['1', '2', '3']) await log.append([event('a', text)]);
    }
    const database = new Database(databasePath(directory));
    database.exec(`UPDATE "coverage/0" SET ${change} WHERE o = ${what === 'the offset' ? 2 : 1}`);
    database.close();
    await using log = await EmbeddedEventLog.open({ directory });
    const records = await recordsOf(log, ['coverage']);
    t.is(records.length, 3);
    const readable: string[] = [];
    const errors: unknown[] = [];
    for (const record of records) {
      try {
        readable.push(textOf(record));
      } catch (error) {
        errors.push(error);
      }
    }
    t.is(readable.length, 2);
    const [error] = errors;
    t.like(error, { code: 'RECORD_UNREADABLE', topic: 'coverage' });
    const message = error instanceof Error ? error.message : '';
    t.true(message.includes(`what ${databasePath(directory)} holds there does not match its checksum`), message);
    t.regex(message, /^cannot read the record at coverage\/0 offset \d: /u);
  });
}

test('a tombstone whose key was changed removes nothing unnoticed', async (t) => {
  const directory = await logOfLayout(t, 2, `UPDATE "policies/0" SET k = 'q' WHERE v IS NULL`);
  await using log = await EmbeddedEventLog.open({ directory });
  const [, tombstone] = await recordsOf(log, ['policies']);
  t.throws(() => tombstone?.value, { code: 'RECORD_UNREADABLE' });
});

test('a database of something else is no log', (t) => {
  const directory = temporaryDirectory(t);
  const database = new Database(databasePath(directory));
  database.exec('CREATE TABLE topic (colour TEXT); PRAGMA user_version = 1');
  database.close();
  t.throws(() => openForWriting(directory, 'group'), {
    code: 'EVENT_LOG_FAILED',
    message: /cannot open the event log/u,
  });
});
