import Database from 'better-sqlite3';
import type { TopicName } from '../schemas/topics.ts';
import type { TablePositions } from './event-log.ts';
import type { Fetched, GroupState, LogStore, StoredRecord } from './log-store.ts';
import { RowChecksum } from './row-checksum.ts';
import { tableOf } from './sqlite-layout.ts';
import { storageError } from './storage-error.ts';

/** As it was written. */
interface Row {
  readonly o: number;
  readonly s: number;
  readonly ts: number;
  readonly k: string;
  readonly p: string | null;
  readonly crc: number | null;
  readonly v: Buffer | null;
}

/** As it is found: a flipped bit may make another type of any column, and SQLite looks at types only when it writes. */
type FoundRow = Readonly<Record<keyof Row, unknown>>;

const noPositions: TablePositions = {};

/** Times of damaged records are told in nanoseconds, of which 64 bits are full in 2262: this is in 2255, in milliseconds. */
const latestMs = 9_000_000_000_000;

/** The reading half of a store, on a read-only connection. Statements are short: an open transaction lets the WAL grow. */
export class SqliteReader implements Pick<LogStore, 'fetch' | 'fetchLatest' | 'bounds' | 'groupState' | 'end'> {
  readonly #database: Database.Database;
  readonly #checksum = new RowChecksum();
  readonly #statements = new Map<string, Database.Statement<[number], FoundRow>>();
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
    // The newest version of a key is told by the index. Where it and the rows do not agree, a row is shown, and its checksum tells.
    const newest = `(SELECT max(o) FROM ${table} WHERE k = current.k)`;
    const sql = `SELECT * FROM ${table} AS current WHERE o >= ? AND (o >= coalesce(${newest}, 0)
      OR NOT EXISTS (SELECT 1 FROM ${table} AS later NOT INDEXED WHERE later.o = ${newest} AND later.k = current.k))
      ORDER BY o`;
    return this.#reading(() => {
      const fetched = this.#inOneView(() => this.#cut(topic, this.#statement(sql), after + 1, maxBytes));
      // None is the last of a cut: that is made where there are bytes.
      const records = fetched.records.filter(({ value, damage }) => value !== undefined || damage !== undefined);
      return { ...fetched, records };
    });
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

  #statement(sql: string): Database.Statement<[number], FoundRow> {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare<[number], FoundRow>(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  #cut(
    topic: TopicName,
    statement: Database.Statement<[number], FoundRow>,
    from: number,
    maxBytes: number,
    records: StoredRecord[] = [],
  ): Fetched {
    const { next } = this.bounds(topic);
    let bytes = 0;
    for (const row of statement.iterate(from)) {
      const record = this.#intact(topic, row) ?? this.#damaged(topic, row, { from, next, last: records.at(-1) });
      // A damaged offset leads a search astray: to what was read before, or to itself from behind the end.
      if (record.offset < from || record.offset >= next) continue;
      records.push(record);
      bytes += record.value?.length ?? 0;
      if (bytes >= maxBytes) return { records, knownBelow: record.sequence + 1, next };
    }
    return { records, knownBelow: this.end(), next };
  }

  #intact(topic: TopicName, row: FoundRow): StoredRecord | undefined {
    if (!isTyped(row)) return undefined;
    const head = { offset: row.o, sequence: row.s, timestampMs: row.ts, key: row.k, positions: row.p };
    if (!this.#checksum.holds(row.crc, head, row.v)) return undefined;
    return {
      topic,
      offset: row.o,
      sequence: row.s,
      timestampMs: row.ts,
      key: row.k,
      value: row.v ?? undefined,
      tablePositions: this.#positionsOf(row.p),
      damage: undefined,
    };
  }

  /**
   * What is left of a row whose checksum does not hold. Its offset and its place in the order are such that they keep nobody from
   * what comes after it: it is no record of another place, and none of a place that is yet to come.
   */
  #damaged(
    topic: TopicName,
    row: FoundRow,
    { from, next, last }: { readonly from: number; readonly next: number; readonly last: StoredRecord | undefined },
  ): StoredRecord {
    const least = Math.max(from, last === undefined ? 0 : last.offset + 1);
    return {
      topic,
      offset: isNumberBetween(row.o, least, next - 1) ? row.o : least,
      sequence: last === undefined ? 0 : last.sequence + 1,
      // At the latest it was written now.
      timestampMs: isNumberBetween(row.ts, 0, latestMs) ? row.ts : Date.now(),
      key: typeof row.k === 'string' ? row.k : bytesOf(row.k).toString(),
      value: row.v === null ? undefined : bytesOf(row.v),
      tablePositions: noPositions,
      damage: `what ${this.#database.name} holds there does not match its checksum: the disk or the file was damaged`,
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

function isTyped(row: FoundRow): row is Row {
  const { o, s, ts, k, p, crc, v } = row;
  return (
    Number.isSafeInteger(o) &&
    Number.isSafeInteger(s) &&
    Number.isSafeInteger(ts) &&
    typeof k === 'string' &&
    (p === null || typeof p === 'string') &&
    (crc === null || Number.isSafeInteger(crc)) &&
    (v === null || Buffer.isBuffer(v))
  );
}

function isNumberBetween(value: unknown, least: number, most: number): value is number {
  return Number.isSafeInteger(value) && Number(value) >= least && Number(value) <= most;
}

/** Of a column that should have held text or bytes. */
function bytesOf(column: unknown): Buffer {
  return Buffer.isBuffer(column) ? column : Buffer.from(typeof column === 'string' ? column : '');
}
