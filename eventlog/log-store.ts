import type { TopicName } from '../schemas/topics.ts';
import type { OffsetRange, TablePositions } from './event-log.ts';

/*
 * What the memory and the embedded log differ in. Everything above (order of the merge, batches, decoding, stages) is
 * one code for both. One partition a topic.
 */

/** A record as the store has it: the value framed, not decoded. */
export interface StoredRecord {
  readonly topic: TopicName;
  readonly offset: number;
  /** Place in the one order of all topics of this log. */
  readonly sequence: number;
  readonly timestampMs: number;
  readonly key: string;
  /** `undefined` is a tombstone. */
  readonly value: Uint8Array | undefined;
  readonly tablePositions: TablePositions;
  /** What is wrong with it as it is stored, in words that name the file; then nothing of it but its place can be relied on. */
  readonly damage: string | undefined;
}

/** A record to be stored; the store gives it offset and sequence. */
export interface UnstoredRecord {
  readonly topic: TopicName;
  readonly timestampMs: number;
  readonly key: string;
  readonly value: Uint8Array | undefined;
  readonly tablePositions: TablePositions;
}

/** The next offset of one topic for one group: an input to be read, or a table to be replayed up to there. */
export interface GroupPosition {
  readonly topic: TopicName;
  readonly position: number;
}

/** One transaction: all of it or nothing. */
export interface WriteRequest {
  readonly records: readonly UnstoredRecord[];
  /** Positions of a group, or what it intends. */
  readonly group?: {
    readonly name: string;
    readonly positions: readonly GroupPosition[];
    /** Replaces what was intended; `undefined` clears it. Left out: stays. */
    readonly intended?: OffsetRange | undefined;
  };
  /** Whether it must survive a power failure before it resolves, whatever the log's durability. */
  readonly durable?: boolean;
}

/** A stretch of one topic, read in one consistent view. */
export interface Fetched {
  readonly records: readonly StoredRecord[];
  /** Every record of the topic with a lower sequence, from the asked offset on, is in `records` or was earlier. */
  readonly knownBelow: number;
  /** The offset that the topic's next record will get. */
  readonly next: number;
}

/** What a group left: positions by topic, and what it intended and did not commit. */
export interface GroupState {
  readonly positions: readonly GroupPosition[];
  readonly intended: OffsetRange | undefined;
}

/** The part of a store that reading without a group needs. */
export interface ReadableStore {
  /** From `from` on, at least one record where there is one, until they pass `maxBytes`. Synchronous: short statements. */
  fetch(topic: TopicName, from: number, maxBytes: number): Fetched;
  /** The last record of each key that is no tombstone, in order of offset, above `after`; until they pass `maxBytes`. */
  fetchLatest(topic: TopicName, after: number, maxBytes: number): Fetched;
  /** Lowest offset that is still there or will be, and the next one. */
  bounds(topic: TopicName): { readonly low: number; readonly next: number };
  /** The sequence that the next record of the log will get. */
  end(): number;
  /** Resolves after the next write to one of `topics`, or when `signal` aborts or the store closes. */
  changed(topics: readonly TopicName[], signal: AbortSignal): Promise<void>;
}

export interface LogStore extends ReadableStore {
  /** Resolves when written. In the order of the calls. */
  write(request: WriteRequest): Promise<void>;
  groupState(group: string): GroupState;
  /** Waits for what is being written. */
  close(): Promise<void>;
}
