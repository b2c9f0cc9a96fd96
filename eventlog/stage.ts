import type { TopicName } from '../schemas/topics.ts';
import type { EventLog, LogRecord, OffsetRange, OutputRecord } from './event-log.ts';

/**
 * A deterministic state machine: no clock, no randomness, no I/O, no promises. What it keeps, it keeps per node, and
 * returns as records of its state topics.
 */
export interface Processor {
  /** Feeds back what this processor wrote to its state topics before a restart or rebalance. */
  restore(record: LogRecord): void;
  /** A table changed, at this place of the stream. */
  update(record: LogRecord): void;
  /**
   * What follows from one input record; published atomically with its offset. Throwing stops the partition. Asked for once,
   * one output after another: what may be many comes last and is made when it is asked for, because beyond what one input may
   * give (output-budget.ts) no more is. Records of its state and of coverage come first and are bounded by the processor.
   */
  process(record: LogRecord): Iterable<OutputRecord>;
}

/** Topics in, topics out. */
export interface ProcessorStage {
  /** Names the consumer group, the metrics and the log lines. */
  readonly name: string;
  readonly inputs: readonly TopicName[];
  /**
   * Tables whose changes reach `update`. The first stage of a flow also names those that only a later stage judges by, so
   * that their positions are stamped on what follows.
   */
  readonly tables: readonly TopicName[];
  readonly outputs: readonly TopicName[];
  /** Compacted topics, a subset of `outputs`, that hold the state. */
  readonly state: readonly TopicName[];
  createProcessor(partition: number): Processor;
}

/** One topic into one place outside. Must be idempotent: a range may come twice, then with the same records. */
export interface SinkStage {
  readonly name: string;
  readonly input: TopicName;
  /**
   * Makes of records what will be written, and writes nothing yet: their range is not intended before the one before it is
   * written and committed, which may be underway meanwhile. So it lets others have their turn. Called for one range after
   * another, in their order.
   */
  prepare(records: readonly LogRecord[]): Promise<PreparedWrite>;
}

/**
 * Writes what was prepared. `range` was intended before; the offsets are committed after this resolves. Called again where it
 * failed for now. A time-triggered flush only decides where a range ends.
 */
export type PreparedWrite = (range: OffsetRange, signal: AbortSignal) => Promise<void>;

/** The world in, topics out. Runs until `signal` aborts, then drains and returns. */
export interface SourceStage {
  readonly name: string;
  readonly outputs: readonly TopicName[];
  run(log: EventLog, signal: AbortSignal): Promise<void>;
}
