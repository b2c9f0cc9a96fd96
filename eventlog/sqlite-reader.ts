import Database from 'better-sqlite3';
import type { TopicName } from '../schemas/topics.ts';
import type { TablePositions } from './event-log.ts';
import type { Fetched, GroupState, LogStore, StoredRecord } from './log-store.ts';
import { RowChecksum } from './row-checksum.ts';
import { tableOf } from './sqlite-layout.ts';
import { storageError } from './storage-error.ts';

interface Row {
  readonly o: number;
  readonly s: number;
  readonly ts: number;
  readonly k: string;
  readonly p: string | null;
  readonly crc: number | null;
  readonly v: Buffer | null;
}

const noPositions: TablePositions = {};

/** The reading half of a store, on a read-only connection. Statements are short: an open transaction lets the WAL grow. */
export class SqliteReader implements Pick<LogStore, 'fetch' | 'fetchLatest' | 'bounds' | 'groupState' | 'end'> {
  readonly #database: Database.Database;
  readonly #checksum = new RowChecksum();
  readonly #statements = new Map<string, Database.Statement<[number], Row>>();
  readonly #sequence: Database.Statement<[], number>;
  readonly #bounds: Database.Statement<[string], { low: number; next: number }>;
  readonly #inOneView: (read: () => Fetched) => Fetched;
  /** Most records of a stretch carry the same positions: they are parsed once. */
  #lastPositions: { readonly json: string; readonly positions: TablePositions } = { json: '{}', positions: {} };

  constructor(database: Database.Database) {
    this.#database = database;
    this.#sequence = database.prepare<[], number>('SELECT sequence FROM log').pluck();
    this.#bounds = database.prepare('SELECT low, next FROM topic WHERE name = ?');
    this.#inOneView = database.transaction((read: () => Fetched) => read());
  }

  fetch(topic: TopicName, from: number, maxBytes: number): Fetched {
    const sql = `SELECT * FROM ${tableOf(topic)} WHERE o >= ? ORDER BY o`;
    return this.#reading(() => {
      const records: StoredRecord[] = [];
      try {
        return this.#inOneView(() => this.#cut(topic, this.#statement(sql), from, maxBytes, records));
      } catch (error) {
        // What stands before damage is handed out first: the next fetch begins at the damage, and throws.
        const last = records.at(-1);
        if (last === undefined) throw error;
        return { records, knownBelow: last.sequence + 1, next: last.offset + 1 };
      }
    });
  }

  fetchLatest(topic: TopicName, after: number, maxBytes: number): Fetched {
    const table = tableOf(topic);
    const sql = `SELECT * FROM ${table} AS current WHERE o > ? AND v IS NOT NULL
      AND o = (SELECT max(o) FROM ${table} WHERE k = current.k) ORDER BY o`;
    return this.#reading(() => this.#inOneView(() => this.#cut(topic, this.#statement(sql), after, maxBytes)));
  }

  bounds(topic: TopicName): { readonly low: number; readonly next: number } {
    return this.#reading(() => this.#bounds.get(topic)) ?? { low: 0, next: 0 };
  }

  groupState(group: string): GroupState {
    return this.#reading(() => {
      const positions = this.#database
        .prepare<[string], { topic: TopicName; position: number }>('SELECT topic, position FROM pos WHERE grp = ?')
        .all(group);
      const intended = this.#database
        .prepare<[string], { topic: TopicName; partition: number; first: number; last: number }>(
          'SELECT topic, part AS partition, first, last FROM intended WHERE grp = ?',
        )
        .get(group);
      return { positions, intended };
    });
  }

  end(): number {
    return this.#reading(() => this.#sequence.get()) ?? 0;
  }

  /** Changes whenever another connection has committed. */
  version(): unknown {
    return this.#database.pragma('data_version', { simple: true });
  }

  #statement(sql: string): Database.Statement<[number], Row> {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare<[number], Row>(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  #cut(
    topic: TopicName,
    statement: Database.Statement<[number], Row>,
    from: number,
    maxBytes: number,
    records: StoredRecord[] = [],
  ): Fetched {
    const { next } = this.bounds(topic);
    let bytes = 0;
    for (const row of statement.iterate(from)) {
      records.push(this.#recordOf(topic, row));
      bytes += row.v?.length ?? 0;
      if (bytes >= maxBytes) return { records, knownBelow: row.s + 1, next };
    }
    return { records, knownBelow: this.end(), next };
  }

  #recordOf(topic: TopicName, row: Row): StoredRecord {
    const head = { offset: row.o, sequence: row.s, timestampMs: row.ts, key: row.k, positions: row.p };
    const isIntact = this.#checksum.holds(row.crc, head, row.v);
    return {
      topic,
      offset: row.o,
      sequence: row.s,
      timestampMs: row.ts,
      key: row.k,
      value: row.v ?? undefined,
      tablePositions: isIntact ? this.#positionsOf(row.p) : noPositions,
      damage: isIntact
        ? undefined
        : `what ${this.#database.name} holds there does not match its checksum: the disk or the file was damaged`,
    };
  }

  #positionsOf(json: string | null): TablePositions {
    if (json === null) return noPositions;
    if (json !== this.#lastPositions.json) {
      // Written by our own writer from a value of this type.
      this.#lastPositions = { json, positions: JSON.parse(json) as TablePositions };
    }
    return this.#lastPositions.positions;
  }

  /** SQLite's errors as the log's: a damaged file, a disk that does not answer. */
  #reading<Result>(read: () => Result): Result {
    try {
      return read();
    } catch (cause) {
      if (!(cause instanceof Database.SqliteError)) throw cause;
      throw storageError(cause, this.#database.name, 'reading the event log failed');
    }
  }
}
