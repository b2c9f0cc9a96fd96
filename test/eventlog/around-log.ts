import type {
  AssignedPartition,
  ConsumeOptions,
  EventLog,
  InputBatch,
  LogRecord,
  OutputRecord,
  ReadOptions,
} from '../../eventlog/event-log.ts';
import type { TopicName } from '../../schemas/topics.ts';

/** A log that hands out other partitions than the one below. */
export class AroundLog implements EventLog {
  readonly #log: EventLog;
  readonly #around: (partition: AssignedPartition) => AssignedPartition;

  constructor(log: EventLog, around: (partition: AssignedPartition) => AssignedPartition = (partition) => partition) {
    this.#log = log;
    this.#around = around;
  }

  append(records: readonly OutputRecord[]): Promise<void> {
    return this.#log.append(records);
  }

  consume(options: ConsumeOptions, own: (partition: AssignedPartition) => Promise<void>): Promise<void> {
    return this.#log.consume(options, (partition) => own(this.#around(partition)));
  }

  read(options: ReadOptions): AsyncIterable<LogRecord> {
    return this.#log.read(options);
  }

  table(topic: TopicName): ReturnType<EventLog['table']> {
    return this.#log.table(topic);
  }

  /** Leaves the log below to whoever opened it. */
  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}

/** The partition with what `instead` says of it. */
export function partitionWith(
  partition: AssignedPartition,
  instead: Partial<Pick<AssignedPartition, 'restore' | 'batches'>>,
): AssignedPartition {
  return {
    partition: partition.partition,
    signal: partition.signal,
    tablePositions: partition.tablePositions,
    intended: partition.intended,
    restore: instead.restore ?? ((topic) => partition.restore(topic)),
    batches: instead.batches ?? (() => partition.batches()),
  };
}

/** The partition with each batch as `change` makes it. */
export function withBatches(
  partition: AssignedPartition,
  change: (batch: InputBatch) => InputBatch | Iterable<InputBatch>,
): AssignedPartition {
  return partitionWith(partition, {
    async *batches() {
      for await (const batch of partition.batches()) {
        const changed = change(batch);
        if (Symbol.iterator in changed) yield* changed;
        else yield changed;
      }
    },
  });
}
