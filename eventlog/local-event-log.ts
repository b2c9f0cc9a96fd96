import type { TopicName } from '../schemas/topics.ts';
import { consumeStore } from './consumer.ts';
import { EventLogError } from './errors.ts';
import type { AssignedPartition, ConsumeOptions, EventLog, LogRecord, OutputRecord, ReadOptions } from './event-log.ts';
import { GroupQueue } from './group-queue.ts';
import type { LogStore } from './log-store.ts';
import { storable } from './storable.ts';
import { readStore, tableOfStore } from './store-reader.ts';
import { createSingleObjectFormat, type WireFormat } from './wire-format.ts';

/** What the memory and the embedded log have in common: an `EventLog` on a `LogStore`, one partition a topic. */
export abstract class LocalEventLog implements EventLog {
  readonly #store: LogStore;
  readonly #format: WireFormat = createSingleObjectFormat();
  readonly #groups = new GroupQueue();
  readonly #closing = new AbortController();

  protected constructor(store: LogStore) {
    this.#store = store;
  }

  async append(records: readonly OutputRecord[]): Promise<void> {
    this.#assertOpen();
    await this.#store.write({ records: records.map((record) => storable(record, {}, this.#format)) });
  }

  async consume(options: ConsumeOptions, own: (partition: AssignedPartition) => Promise<void>): Promise<void> {
    this.#assertOpen();
    const signal = AbortSignal.any([options.signal, this.#closing.signal]);
    await this.#groups.alone(options.group, signal, () =>
      consumeStore(this.#store, this.#format, { ...options, signal }, own),
    );
  }

  read(options: ReadOptions): AsyncIterable<LogRecord> {
    this.#assertOpen();
    const signal = AbortSignal.any([options.signal, this.#closing.signal]);
    return readStore(this.#store, this.#format, { ...options, signal });
  }

  // Asynchronous by contract: another log has to ask a broker. What throws must reject.
  // eslint-disable-next-line @typescript-eslint/require-await
  async table(topic: TopicName): Promise<{ readonly records: readonly LogRecord[]; readonly position: number }> {
    this.#assertOpen();
    return tableOfStore(this.#store, this.#format, topic);
  }

  /** Ends every `consume` and `read`, waits for what is being written, and gives the store back. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    await this.#store.close();
  }

  #assertOpen(): void {
    if (this.#closing.signal.aborted) throw new EventLogError('EVENT_LOG_FAILED', 'the log is closed');
  }
}
