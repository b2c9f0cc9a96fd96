import type { TopicName } from '../schemas/topics.ts';
import type { TablePositions } from './event-log.ts';
import { EventLogError } from './errors.ts';
import type { ReadableStore, StoredRecord } from './log-store.ts';

/** How much of one topic is read in one go. Small enough not to hold up the event loop: about a millisecond. */
const fetchBytes = 1 << 20;

/** One topic being read forward, a stretch at a time. */
class Cursor {
  readonly topic: TopicName;
  /** Offset after the last record taken. */
  position: number;
  /** Every record from `position` on with a lower sequence is in the buffer. */
  knownBelow = 0;
  /** The topic's next offset when it was last looked at. */
  next: number;
  readonly #store: ReadableStore;
  #buffer: readonly StoredRecord[] = [];
  #index = 0;

  constructor(store: ReadableStore, topic: TopicName, position: number) {
    this.#store = store;
    this.topic = topic;
    this.position = position;
    this.next = position;
  }

  /** The next record, where the buffer has one. */
  head(): StoredRecord | undefined {
    return this.#buffer[this.#index];
  }

  take(record: StoredRecord): void {
    this.#index += 1;
    this.position = record.offset + 1;
  }

  fetch(): void {
    const fetched = this.#store.fetch(this.topic, this.position, fetchBytes);
    this.#buffer = fetched.records;
    this.#index = 0;
    this.knownBelow = fetched.knownBelow;
    this.next = fetched.next;
  }

  /** The next record, where there is one below `sequence`. */
  headBelow(sequence: number): StoredRecord | undefined {
    if (this.head() === undefined && this.knownBelow < sequence) this.fetch();
    const head = this.head();
    return head !== undefined && head.sequence < sequence ? head : undefined;
  }

  /** The next record, where there is one below `offset`. */
  headBelowOffset(offset: number): StoredRecord | undefined {
    if (this.head() === undefined && this.position < offset) this.fetch();
    const head = this.head();
    return head !== undefined && head.offset < offset ? head : undefined;
  }
}

/** An input and the table changes that take effect before it. */
export interface MergeStep {
  readonly changes: readonly StoredRecord[];
  readonly input: StoredRecord;
  /** Positions of all tables after `changes`. */
  readonly tablePositions: ReadonlyMap<TopicName, number>;
}

export interface MergeOptions {
  /** Topic → the offset to read from. */
  readonly inputs: ReadonlyMap<TopicName, number>;
  /** Table → how far it was brought; its replay is `replay`. */
  readonly tables: ReadonlyMap<TopicName, number>;
}

/**
 * Inputs of one partition in the order of the log, each preceded by the table changes that are in force for it. Table
 * changes are taken only when an input needs them: an input's stamped positions are not known before it is there.
 */
export class Merge {
  readonly #inputs: readonly Cursor[];
  readonly #tables: readonly Cursor[];
  readonly #store: ReadableStore;

  constructor(store: ReadableStore, options: MergeOptions) {
    this.#store = store;
    this.#inputs = [...options.inputs].map(([topic, position]) => new Cursor(store, topic, position));
    this.#tables = [...options.tables].map(([topic, position]) => new Cursor(store, topic, position));
  }

  /** The tables' changes up to where they were brought before, in the order of the log: for a start. */
  *replay(): Generator<StoredRecord> {
    const replayed = this.#tables.map((table) => ({
      cursor: new Cursor(this.#store, table.topic, 0),
      until: table.position,
    }));
    for (;;) {
      let first: { readonly cursor: Cursor; readonly record: StoredRecord } | undefined;
      for (const { cursor, until } of replayed) {
        const record = cursor.headBelowOffset(until);
        if (record === undefined) continue;
        if (first === undefined || record.sequence < first.record.sequence) first = { cursor, record };
      }
      if (first === undefined) return;
      first.cursor.take(first.record);
      yield first.record;
    }
  }

  /** The next input with a sequence below `sequence`, where it is there already. */
  next(sequence = Infinity): MergeStep | undefined {
    const cursor = this.#nextInput();
    const input = cursor?.head();
    if (cursor === undefined || input === undefined || input.sequence >= sequence) return undefined;
    const changes: StoredRecord[] = [];
    // Of a damaged input not even its positions can be relied on; nobody judges it, so it needs no tables.
    for (const table of input.damage === undefined ? this.#tables : []) {
      const position = input.tablePositions[table.topic];
      if (position === undefined) takeBelowSequence(table, input.sequence, changes);
      else takeBelowOffset(table, position, input, changes);
    }
    changes.sort((first, second) => first.sequence - second.sequence);
    cursor.take(input);
    return {
      changes,
      input,
      tablePositions: new Map(this.#tables.map((table) => [table.topic, table.position])),
    };
  }

  /** Records of the inputs that are there and were not taken, as of the last look. */
  waiting(): number {
    let waiting = 0;
    for (const input of this.#inputs) waiting += Math.max(0, input.next - input.position);
    return waiting;
  }

  /** The input cursor whose head is first in the order of the log. */
  #nextInput(): Cursor | undefined {
    let first: Cursor | undefined;
    for (const input of this.#inputs) {
      if (input.head() === undefined) input.fetch();
      const sequence = input.head()?.sequence;
      if (sequence !== undefined && sequence < (first?.head()?.sequence ?? Infinity)) first = input;
    }
    if (first === undefined) return undefined;
    // An input that was looked at earlier than the chosen one may have got a record before it since.
    for (const input of this.#inputs) {
      if (input.headBelow(first.head()?.sequence ?? Infinity) !== undefined) first = input;
    }
    return first;
  }
}

function takeBelowSequence(table: Cursor, sequence: number, into: StoredRecord[]): void {
  for (;;) {
    const change = table.headBelow(sequence);
    if (change === undefined) return;
    table.take(change);
    into.push(change);
  }
}

function takeBelowOffset(table: Cursor, position: number, input: StoredRecord, into: StoredRecord[]): void {
  if (position < table.position) {
    throw new EventLogError(
      'EVENT_LOG_FAILED',
      `${input.topic} offset ${input.offset} was judged with ${table.topic} at ${position}, but an earlier input brought it to ` +
        `${table.position} already: a group that reads stamped records may not read others beside them`,
    );
  }
  for (;;) {
    const change = table.headBelowOffset(position);
    if (change === undefined) break;
    table.take(change);
    into.push(change);
  }
  // Compaction may have removed the last changes below it.
  table.position = position;
}

/** `TablePositions` of a map, in the order of its keys. */
export function positionsOf(positions: ReadonlyMap<TopicName, number>): TablePositions {
  return Object.fromEntries(positions);
}
