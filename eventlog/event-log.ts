import type { TopicName, TopicValues } from '../schemas/topics.ts';

/** Positions of tables, each the offset after the last change that is in force: `0` is the empty table. */
export type TablePositions = Readonly<Partial<Record<TopicName, number>>>;

/** One record read. A discriminated union over `topic`: checking the topic narrows the value. */
export type LogRecord = {
  [Topic in TopicName]: {
    readonly topic: Topic;
    readonly partition: number;
    /** Position in the partition; a safe integer. Not contiguous. */
    readonly offset: number;
    readonly key: string;
    /** `undefined` is a tombstone: the key is gone. */
    readonly value: TopicValues[Topic] | undefined;
    /**
     * The value as Avro binary, bare, where the log has it so: for those who pass it on and need no value in memory. Asking for
     * it throws where asking for the value does.
     */
    readonly encodedValue?: Uint8Array | undefined;
    /** Producer's wall clock, milliseconds since 1970-01-01 UTC. For people; no decision rests on it. */
    readonly timestampMs: number;
    /** Positions of the tables in force when this record was made, where a processor made it. */
    readonly tablePositions: TablePositions;
  };
}[TopicName];

/**
 * One record to be written. The partition follows from the key. `encodedValue` is for hot paths that have written the
 * topic's Avro binary themselves: bare, without framing; it stands in the place of `value`.
 */
export type OutputRecord = {
  [Topic in TopicName]:
    | { readonly topic: Topic; readonly key: string; readonly value: TopicValues[Topic] | undefined }
    | { readonly topic: Topic; readonly key: string; readonly encodedValue: Uint8Array };
}[TopicName];

/** What was read from one partition in one go. Where it was cut means nothing. */
export interface InputBatch {
  readonly partition: number;
  /** Records of the inputs, and changes of the tables at the place where they take effect. */
  readonly records: readonly LogRecord[];
  /**
   * How many records of the inputs were there already when this batch was cut and are not in it: the lag behind it. Kafka
   * tells it by offsets, of which transactions take one more each.
   */
  readonly waiting: number;
  /**
   * Publishes `outputs` and commits this batch's offsets, both or neither; each output is stamped with the table
   * positions given with it. Throws `FENCED` where the partition has another owner by now.
   */
  commit(outputs: readonly StampedOutput[]): Promise<void>;
  /** For sinks: writes down, durably, that exactly this batch is about to be written outside. */
  intend(): Promise<OffsetRange>;
}

/** An output with the positions of all tables that its input was judged under. */
export interface StampedOutput {
  readonly record: OutputRecord;
  readonly tablePositions: TablePositions;
}

/** Offsets `first` to `last`, both included. */
export interface OffsetRange {
  readonly topic: TopicName;
  readonly partition: number;
  readonly first: number;
  readonly last: number;
}

/** A partition this process owns until `signal` aborts (rebalance or shutdown). */
export interface AssignedPartition {
  readonly partition: number;
  readonly signal: AbortSignal;
  /** Where the predecessor had the tables; the first batches bring them there. Every table of the options is named. */
  readonly tablePositions: TablePositions;
  /**
   * What this partition's processor wrote to its state topic, up to what the predecessor committed; before the first batch. Of a
   * topic that is one partition whatever the inputs have, what the processors of all of them wrote.
   */
  restore(topic: TopicName): AsyncIterable<LogRecord>;
  /** What a predecessor intended and did not commit: the first batch is then exactly it, whatever a timer says. */
  readonly intended: OffsetRange | undefined;
  /**
   * Batches in order, each from the committed position on. The first batches bring the tables to where the predecessor
   * had them. An input that carries `tablePositions` is preceded by exactly the changes below those positions, and by no
   * later one. One without is preceded by every change that was appended before it; in a log of one sequence by no other, on
   * Kafka perhaps by some that came later. Either way the positions that are stamped on what follows from it are the recorded
   * place, for every stage after it and whenever it is judged again.
   */
  batches(): AsyncIterable<InputBatch>;
}

export interface ConsumeOptions {
  readonly group: string;
  /** Co-partitioned: partition n of each goes to the same owner. */
  readonly topics: readonly TopicName[];
  /** Compacted topics of one partition that every instance reads whole (Kafka Streams: global tables). */
  readonly tables: readonly TopicName[];
  /** Ends ownership at once: `batches()` ends, and what was not committed comes again. */
  readonly signal: AbortSignal;
  /** When it aborts, `batches()` ends by itself once all that is in the inputs by then has been handed out. */
  readonly drain?: AbortSignal;
  /** Where a batch is cut, in bytes of the values: what one transaction reads. Less where no more is there. Default 1 MiB. */
  readonly batchBytes?: number;
}

export interface ReadOptions {
  readonly topics: readonly TopicName[];
  readonly from: 'start' | 'end' | ReadonlyMap<TopicName, number>;
  /** Whether to wait for what comes after the present end. */
  readonly follow: boolean;
  readonly signal: AbortSignal;
}

/**
 * The log that every role reads and writes. test/eventlog/conformance.ts says what every implementation does, and names what
 * only some promise.
 */
export interface EventLog extends AsyncDisposable {
  /**
   * Resolves when the records survive this process's death (acks=all; embedded: written; in its `commit` mode also
   * fsynced). Order holds for each key; nothing is promised across keys or topics. Where it is refused for what the records
   * are, none is written. Where the log fails, all of one call are there or none; on Kafka any number of them may be, so that
   * who repeats the call has to bear repeats.
   */
  append(records: readonly OutputRecord[]): Promise<void>;
  /**
   * Calls `own` once per assigned partition, concurrently; resolves after `signal` or `drain`, when every call has
   * returned. The group's positions count for retention from its first call on.
   */
  consume(options: ConsumeOptions, own: (partition: AssignedPartition) => Promise<void>): Promise<void>;
  /**
   * Reads without a group and commits nothing: recording, tailing, status; in other processes too. Each partition in its order;
   * in a log of one sequence all topics together in theirs.
   */
  read(options: ReadOptions): AsyncIterable<LogRecord>;
  /** The current value of each key of a compacted topic, and the position up to which that is true. */
  table(topic: TopicName): Promise<{ readonly records: readonly LogRecord[]; readonly position: number }>;
}
