import { closeSync, existsSync, openSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { topicNames, topics, type TopicName } from '../schemas/topics.ts';
import { EventLogError } from './errors.ts';
import { damaged, storageError } from './storage-error.ts';

/**
 * What survives a power failure. `group`: all but the last 50 to 100 ms, by an fdatasync every 50 ms. `commit`: all that
 * was acknowledged, by an fsync a transaction. A killed process loses nothing acknowledged in either.
 */
export type Durability = 'group' | 'commit';

/*
 * One file, `events.sqlite`, in WAL mode:
 *
 *     log        one row: the sequence that the next record of any topic gets
 *     topic      a row a topic: next and lowest offset, bytes of values. Stored and not computed: a topic that retention
 *                has emptied would hand out its old offsets again
 *     pos        group, topic, partition → next offset to read (of a table: how far it was brought)
 *     intended   group → the range a sink is writing outside
 *     written    marks of when: before it, all records below sequence s were written; the log's age in milliseconds then,
 *                and the clocks that it was told by (log-time.ts)
 *     "T/0"      a table a topic and partition: o offset, s sequence, ts, k key, p stamped table positions as JSON,
 *                crc of the row (row-checksum.ts), v value. Not WITHOUT ROWID, which keeps large values badly. Compacted
 *                topics have an index on (k, o)
 *
 * Layout 1 has no `written`, and its checksums are of values alone. It becomes layout 2 when it is opened for writing.
 */
const layoutVersion = 2;

/** Earlier ones can lose a WAL with several connections (sqlite.org, release notes of 3.51.3: the WAL-reset bug). */
const oldestSqlite = [3, 51, 3] as const;

/** better-sqlite3 13 loads into Node 20 and then crashes the process. */
const oldestNode = 22;

/** The file in `directory` that the log is. */
export function databasePath(directory: string): string {
  return join(directory, 'events.sqlite');
}

/** The table of a topic's one partition, quoted. */
export function tableOf(topic: TopicName): string {
  return `"${topic}/0"`;
}

/** Throws `EVENT_LOG_FAILED` where this Node would crash in the store instead of failing. Call before anything is opened. */
export function assertNodeSupported(version: string = process.versions.node): void {
  if (Number.parseInt(version, 10) >= oldestNode) return;
  throw new EventLogError(
    'EVENT_LOG_FAILED',
    `the embedded log needs Node ${oldestNode} or later, this is ${version}: start it with npx or npm, which bring the right one`,
  );
}

function assertSqliteSupported(database: Database.Database): void {
  const version = database.prepare<[], string>('SELECT sqlite_version()').pluck().get() ?? '';
  const parts = version.split('.').map(Number);
  for (const [place, oldest] of oldestSqlite.entries()) {
    const part = parts[place] ?? 0;
    if (part > oldest) return;
    if (part === oldest) continue;
    throw new EventLogError(
      'EVENT_LOG_FAILED',
      `the embedded log needs SQLite ${oldestSqlite.join('.')} or later, this is ${version}: earlier ones can lose records`,
    );
  }
}

/**
 * Opens the log of `directory` for writing, and makes it where it is not there. For its one owner's writer alone. Throws
 * `DATA_TOO_NEW` and `EVENT_LOG_DAMAGED` before anything is changed, `DISK_FULL` and `EVENT_LOG_FAILED`.
 */
export function openForWriting(directory: string, durability: Durability): Database.Database {
  assertNodeSupported();
  const path = databasePath(directory);
  let database: Database.Database | undefined;
  try {
    // Events are nobody else's business, whatever the umask; SQLite makes the files beside it alike.
    if (!existsSync(path)) closeSync(openSync(path, 'a', 0o600));
    assertUsable(path);
    database = new Database(path, { timeout: 5000 });
    assertSqliteSupported(database);
    // Before the first table, or it has no effect: large values in few overflow pages.
    database.pragma('page_size = 16384');
    database.pragma('journal_mode = WAL');
    // In pages: 16 MB. Nobody writes while the WAL is folded in and synced, and what comes meanwhile waits in the kernel's ring:
    // at 40 MB/s 35 to 66 ms at the longest, where four times as much took 150 to 290.
    database.pragma('wal_autocheckpoint = 1024');
    database.pragma('journal_size_limit = 67108864');
    // Kibibytes.
    database.pragma('cache_size = -8192');
    database.pragma(`synchronous = ${durability === 'commit' ? 'FULL' : 'NORMAL'}`);
    assertLayoutKnown(path, database.pragma('user_version', { simple: true }));
    // Immediate: one that reads first and writes then is refused at once, without waiting, where anybody holds the lock at that
    // moment (btree.c: sqlite3BtreeBeginTrans). A reader does, that comes first after a kill and reads the WAL anew.
    database.transaction(createTables).immediate(database);
    return database;
  } catch (error) {
    database?.close();
    throw storageError(error, path, 'cannot open the event log');
  }
}

/**
 * Opens the log of `directory` for reading, beside its owner or without one. `owner`: whether it is this process that has the log
 * open already. Throws as `openForWriting`.
 */
export function openForReading(directory: string, owner: 'thisProcess' | 'another'): Database.Database {
  assertNodeSupported();
  const path = databasePath(directory);
  let database: Database.Database | undefined;
  try {
    if (owner === 'another') assertUsable(path);
    database = new Database(path, { readonly: true, fileMustExist: true, timeout: 5000 });
    assertSqliteSupported(database);
    database.pragma('cache_size = -8192');
    const version = database.pragma('user_version', { simple: true });
    assertLayoutKnown(path, version);
    if (version === 0)
      throw new EventLogError('EVENT_LOG_FAILED', `nothing was written to the event log ${path} yet`, { path });
    // Reads the schema, so that one that is damaged is refused here.
    database.prepare('SELECT next FROM topic').get();
    return database;
  } catch (error) {
    database?.close();
    throw storageError(error, path, 'cannot open the event log');
  }
}

/*
 * What the first bytes say (sqlite.org/fileformat2.html, "The Database Header"), before SQLite looks: it would fold a WAL into a
 * file that is not ours to change, and delete one whose database was emptied.
 */
const headerText = 'SQLite format 3\0';
const headerBytes = 100;
const userVersionAt = 60;

/**
 * Never where this process has the log open: who closes a file loses all the locks that its process holds on it, those of SQLite's
 * connections too (fcntl(2), "Record locks and interaction with other processes").
 */
function assertUsable(path: string): void {
  const header = Buffer.alloc(headerBytes);
  const descriptor = openSync(path, 'r');
  let length: number;
  try {
    length = readSync(descriptor, header, 0, headerBytes, 0);
  } finally {
    closeSync(descriptor);
  }
  const wal = `${path}-wal`;
  if (length === 0) {
    // New, and made a moment ago; or made by one that was killed before it wrote.
    if (!existsSync(wal) || statSync(wal).size === 0) return;
    throw damaged(path, '', 'it is empty, and what was to be written into it is still beside it');
  }
  if (length < headerBytes || header.toString('latin1', 0, headerText.length) !== headerText) {
    throw damaged(path, '', 'its first bytes are not those of a database');
  }
  assertLayoutKnown(path, header.readUInt32BE(userVersionAt));
}

function assertLayoutKnown(path: string, version: unknown): void {
  if (typeof version === 'number' && version <= layoutVersion) return;
  throw new EventLogError(
    'DATA_TOO_NEW',
    `the event log ${path} has layout ${String(version)}, this version of Palisade knows layouts up to ${layoutVersion}: ` +
      'use the newer version that wrote it, or give another data directory. Nothing was changed',
    { path },
  );
}

function createTables(database: Database.Database): void {
  database.exec(`
    CREATE TABLE IF NOT EXISTS log (id INTEGER PRIMARY KEY CHECK (id = 0), sequence INTEGER NOT NULL) STRICT;
    INSERT OR IGNORE INTO log VALUES (0, 0);
    CREATE TABLE IF NOT EXISTS topic (name TEXT PRIMARY KEY, next INTEGER NOT NULL, low INTEGER NOT NULL,
      bytes INTEGER NOT NULL, compacted INTEGER NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS pos (grp TEXT NOT NULL, topic TEXT NOT NULL, part INTEGER NOT NULL,
      position INTEGER NOT NULL, PRIMARY KEY (grp, topic, part)) STRICT;
    CREATE TABLE IF NOT EXISTS intended (grp TEXT PRIMARY KEY, topic TEXT NOT NULL, part INTEGER NOT NULL,
      first INTEGER NOT NULL, last INTEGER NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS written (id INTEGER PRIMARY KEY, s INTEGER NOT NULL, age INTEGER NOT NULL,
      boot TEXT NOT NULL, since_boot INTEGER NOT NULL, wall INTEGER NOT NULL) STRICT;
    PRAGMA user_version = ${layoutVersion};
  `);
  for (const topic of topicNames) {
    database.exec(`CREATE TABLE IF NOT EXISTS ${tableOf(topic)} (o INTEGER PRIMARY KEY, s INTEGER NOT NULL,
      ts INTEGER NOT NULL, k TEXT NOT NULL, p TEXT, crc INTEGER, v BLOB) STRICT`);
    if (topics[topic].cleanupPolicy === 'compact') {
      database.exec(`CREATE INDEX IF NOT EXISTS "${topic}/0/key" ON ${tableOf(topic)} (k, o)`);
    }
    database.prepare('INSERT OR IGNORE INTO topic VALUES (?, 0, 0, 0, 0)').run(topic);
  }
}
