import { closeSync, existsSync, openSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { topicNames, topics, type TopicName } from '../schemas/topics.ts';
import { EventLogError } from './errors.ts';

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
 *     "T/0"      a table a topic and partition: o offset, s sequence, ts, k key, p stamped table positions as JSON,
 *                crc of the value (SQLite does not protect values against flipped bits), v value. Not WITHOUT ROWID, which
 *                keeps large values badly. Compacted topics have an index on (k, o)
 */
const layoutVersion = 1;

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

/** Opens the log of `directory` for writing, and makes it where it is not there. For its one owner's writer alone. */
export function openForWriting(directory: string, durability: Durability): Database.Database {
  assertNodeSupported();
  const path = databasePath(directory);
  // Events are nobody else's business, whatever the umask; SQLite makes the files beside it alike.
  if (!existsSync(path)) closeSync(openSync(path, 'a', 0o600));
  const database = new Database(path, { timeout: 5000 });
  try {
    assertSqliteSupported(database);
    // Before the first table, or it has no effect: large values in few overflow pages.
    database.pragma('page_size = 16384');
    database.pragma('journal_mode = WAL');
    // In pages: 64 MB.
    database.pragma('wal_autocheckpoint = 4096');
    database.pragma('journal_size_limit = 67108864');
    // Kibibytes.
    database.pragma('cache_size = -8192');
    database.pragma(`synchronous = ${durability === 'commit' ? 'FULL' : 'NORMAL'}`);
    const version = database.pragma('user_version', { simple: true });
    if (version !== 0 && version !== layoutVersion) throw otherLayout(directory, version);
    database.transaction(createTables)(database);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** Opens the log of `directory` for reading, beside its owner or without one. */
export function openForReading(directory: string): Database.Database {
  assertNodeSupported();
  let database: Database.Database;
  try {
    database = new Database(databasePath(directory), { readonly: true, fileMustExist: true, timeout: 5000 });
  } catch (cause) {
    throw new EventLogError('EVENT_LOG_FAILED', `cannot open the event log in ${directory}: ${String(cause)}`, {
      cause,
    });
  }
  try {
    assertSqliteSupported(database);
    database.pragma('cache_size = -8192');
    const version = database.pragma('user_version', { simple: true });
    if (version !== layoutVersion) throw otherLayout(directory, version);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
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

function otherLayout(directory: string, version: unknown): EventLogError {
  return new EventLogError(
    'EVENT_LOG_FAILED',
    `the event log in ${directory} has layout ${String(version)}, this version of Palisade reads layout ${layoutVersion}`,
  );
}
