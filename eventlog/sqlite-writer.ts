import type Database from 'better-sqlite3';
import { topicNames, topics, type TopicName } from '../schemas/topics.ts';
import { elapsedMs, type ClockReading } from './log-time.ts';
import { versionsKeptMs, type Retention } from './retention.ts';
import { RowChecksum } from './row-checksum.ts';
import { tableOf } from './sqlite-layout.ts';
import type { PackedGroup, PackedRecord, PackedRequest } from './write-protocol.ts';

interface TopicState {
  next: number;
  low: number;
  bytes: number;
  /** Offset below which a compacted topic holds no replaced version that may go. */
  compacted: number;
}

/** A mark of when records were written: at the log's age `ageMs`, by these clocks, all below `sequence` were. */
interface Mark extends ClockReading {
  readonly sequence: number;
  readonly ageMs: number;
}

/** Marks in the time that records are kept: they are kept longer by a part of it at most. */
const marksPerAge = 256;

/** Rows that one retention transaction looks at: deleting 64 rows of 100 KB holds up appends for a few milliseconds. */
const trimRows = 64;

/** The writing half of a store: one connection, one thread, many requests a transaction. */
export class SqliteWriter {
  readonly #database: Database.Database;
  readonly #checksum = new RowChecksum();
  readonly #statements = new Map<string, Database.Statement>();
  /** What the `topic` and `log` tables say, as of the running transaction. */
  readonly #topics = new Map<TopicName, TopicState>();
  /** Whose state the running transaction has changed. */
  readonly #touched = new Set<TopicName>();
  #sequence = 0;

  constructor(database: Database.Database) {
    this.#database = database;
    this.#load();
  }

  /**
   * Writes `requests` in one transaction; each is a savepoint, so that a bad one does not fail its neighbors. Returns an
   * error or `undefined` for each. Throws where the transaction as a whole failed: then none is written.
   */
  write(requests: readonly PackedRequest[]): readonly (Error | undefined)[] {
    return this.#inTransaction(() => requests.map((request) => this.#tryApply(request)));
  }

  /** Small transactions' worth of retention and compaction. Returns whether there may be more to do. */
  trim(retention: Retention, now: ClockReading): boolean {
    const ageMs = this.#markNow(now, retention.ageMs / marksPerAge);
    const oldest = this.#inTransaction(() => this.#writtenBefore(ageMs - retention.ageMs));
    let more = false;
    for (const topic of topicNames) {
      const step = (): boolean =>
        topics[topic].cleanupPolicy === 'delete'
          ? this.#forget(topic, retention, oldest)
          : this.#compact(topic, versionsKeptMs(topic, retention) > 0 ? oldest : Infinity);
      more = this.#inTransaction(step) || more;
    }
    return more;
  }

  /** The log's age now, milliseconds. Where something was written since the last mark, or the machine has started anew, marks it. */
  #markNow(now: ClockReading, everyMs: number): number {
    const last = this.#lastMark();
    const ageMs = last === undefined ? 0 : last.ageMs + elapsedMs(last, now);
    const isDue = last?.bootId !== now.bootId || (last.sequence < this.#sequence && ageMs - last.ageMs >= everyMs);
    if (isDue) {
      this.#inTransaction(() => {
        const { bootId, sinceBootMs, wallMs } = now;
        this.#run(
          'INSERT INTO written VALUES (NULL, ?, ?, ?, ?, ?)',
          this.#sequence,
          ageMs,
          bootId,
          sinceBootMs,
          wallMs,
        );
      });
    }
    return ageMs;
  }

  #lastMark(): Mark | undefined {
    const sql = `SELECT s AS sequence, age AS ageMs, boot AS bootId, since_boot AS sinceBootMs, wall AS wallMs
      FROM written ORDER BY id DESC LIMIT 1`;
    return (this.#all(sql) as Mark[])[0];
  }

  /** The sequence below which all was written at the log's age `ageMs` or before; forgets marks that say less. */
  #writtenBefore(ageMs: number): number {
    const [mark] = this.#all('SELECT id, s FROM written WHERE age <= ? ORDER BY id DESC LIMIT 1', ageMs) as {
      id: number;
      s: number;
    }[];
    if (mark === undefined) return 0;
    this.#run('DELETE FROM written WHERE id < ?', mark.id);
    return mark.s;
  }

  #inTransaction<Result>(act: () => Result): Result {
    try {
      this.#run('BEGIN IMMEDIATE');
      const result = act();
      this.#store();
      this.#run('COMMIT');
      return result;
    } catch (error) {
      // SQLite may have rolled back already (a full disk); what we keep in memory is then read again.
      if (this.#database.inTransaction) this.#run('ROLLBACK');
      this.#load();
      throw error;
    }
  }

  #tryApply(request: PackedRequest): Error | undefined {
    const sequence = this.#sequence;
    const states = new Map([...this.#topics].map(([topic, state]) => [topic, { ...state }]));
    this.#run('SAVEPOINT request');
    try {
      this.#apply(request);
      this.#run('RELEASE request');
      return undefined;
    } catch (error) {
      if (!this.#database.inTransaction) throw error;
      this.#run('ROLLBACK TO request');
      this.#run('RELEASE request');
      this.#sequence = sequence;
      for (const [topic, state] of states) this.#topics.set(topic, state);
      return error instanceof Error ? error : new Error(String(error));
    }
  }

  #apply(request: PackedRequest): void {
    let position = 0;
    for (const record of request.records) {
      const value = record.length < 0 ? null : request.values.subarray(position, position + record.length);
      position += Math.max(0, record.length);
      this.#insert(record, value);
    }
    if (request.group !== null) this.#applyGroup(request.group);
  }

  #insert(record: PackedRecord, value: Uint8Array | null): void {
    const state = this.#state(record.topic);
    const { key, timestampMs, tablePositions: positions } = record;
    const sequence = this.#sequence;
    this.#run(
      `INSERT INTO ${tableOf(record.topic)} VALUES (?, ?, ?, ?, ?, ?, ?)`,
      state.next,
      sequence,
      timestampMs,
      key,
      positions,
      this.#checksum.of({ offset: state.next, sequence, timestampMs, key, positions }, value),
      value,
    );
    this.#touched.add(record.topic);
    state.next += 1;
    state.bytes += value?.length ?? 0;
    this.#sequence += 1;
  }

  #applyGroup(group: PackedGroup): void {
    for (const { topic, position } of group.positions) {
      this.#run(
        'INSERT INTO pos VALUES (?, ?, 0, ?) ON CONFLICT DO UPDATE SET position = excluded.position',
        group.name,
        topic,
        position,
      );
    }
    if (group.intended === 'same') return;
    this.#run('DELETE FROM intended WHERE grp = ?', group.name);
    if (group.intended === null) return;
    const { topic, partition, first, last } = group.intended;
    this.#run('INSERT INTO intended VALUES (?, ?, ?, ?, ?)', group.name, topic, partition, first, last);
  }

  /** Removes the oldest records that are too old (below the sequence `oldest`) or too many and that every group has read. */
  #forget(topic: TopicName, retention: Retention, oldest: number): boolean {
    const state = this.#state(topic);
    const readByAll = this.#readByAll(topic);
    const rows = this.#all(
      `SELECT o, s, coalesce(length(v), 0) AS bytes FROM ${tableOf(topic)} WHERE o < ? ORDER BY o LIMIT ${trimRows}`,
      readByAll,
    ) as { o: number; s: number; bytes: number }[];
    let gone = 0;
    for (const row of rows) {
      if (state.bytes <= retention.bytes && row.s >= oldest) break;
      state.bytes -= row.bytes;
      state.low = row.o + 1;
      gone += 1;
    }
    if (gone > 0) {
      this.#touched.add(topic);
      this.#run(`DELETE FROM ${tableOf(topic)} WHERE o < ?`, state.low);
    }
    return gone === trimRows;
  }

  /**
   * Visits each record of a compacted topic once, when it is old enough (below the sequence `oldest`): what it replaced goes,
   * and so does a tombstone. What it replaced was in force until it came, so its own age is what counts.
   */
  #compact(topic: TopicName, oldest: number): boolean {
    const state = this.#state(topic);
    const table = tableOf(topic);
    const rows = this.#all(
      `SELECT o, s, k, v IS NULL AS tombstone FROM ${table} WHERE o >= ? AND o < ? ORDER BY o LIMIT ${trimRows}`,
      state.compacted,
      this.#readByAll(topic),
    ) as { o: number; s: number; k: string; tombstone: number }[];
    for (const row of rows) {
      if (row.s >= oldest) return false;
      const removed = this.#all(
        `DELETE FROM ${table} WHERE k = ? AND o < ? RETURNING coalesce(length(v), 0) AS bytes`,
        row.k,
        row.o + row.tombstone,
      ) as { bytes: number }[];
      for (const { bytes } of removed) state.bytes -= bytes;
      state.compacted = row.o + 1;
      this.#touched.add(topic);
    }
    return rows.length === trimRows;
  }

  /** Offset below which every group of this topic has read it. */
  #readByAll(topic: TopicName): number {
    const [row] = this.#all('SELECT min(position) AS lowest FROM pos WHERE topic = ?', topic) as {
      lowest: number | null;
    }[];
    return row?.lowest ?? Number.MAX_SAFE_INTEGER;
  }

  #state(topic: TopicName): TopicState {
    const state = this.#topics.get(topic);
    if (state === undefined) throw new TypeError(`${topic} is not a topic of schemas/topics.ts`);
    return state;
  }

  #load(): void {
    this.#touched.clear();
    this.#sequence = (this.#all('SELECT sequence FROM log') as { sequence: number }[])[0]?.sequence ?? 0;
    for (const row of this.#all('SELECT * FROM topic') as (TopicState & { name: TopicName })[]) {
      const { name, next, low, bytes, compacted } = row;
      this.#topics.set(name, { next, low, bytes, compacted });
    }
  }

  #store(): void {
    if (this.#touched.size > 0) this.#run('UPDATE log SET sequence = ?', this.#sequence);
    for (const topic of this.#touched) {
      const { next, low, bytes, compacted } = this.#state(topic);
      this.#run(
        'UPDATE topic SET next = ?, low = ?, bytes = ?, compacted = ? WHERE name = ?',
        next,
        low,
        bytes,
        compacted,
        topic,
      );
    }
    this.#touched.clear();
  }

  #run(sql: string, ...values: unknown[]): void {
    this.#statement(sql).run(...values);
  }

  #all(sql: string, ...values: unknown[]): unknown[] {
    return this.#statement(sql).all(...values);
  }

  #statement(sql: string): Database.Statement {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}
