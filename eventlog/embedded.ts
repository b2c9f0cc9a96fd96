import type { MessagePort } from 'node:worker_threads';
import type { TopicName } from '../schemas/topics.ts';
import { EmbeddedStore, ReadOnlyStore } from './embedded-store.ts';
import type { EventLog, LogRecord, OutputRecord, ReadOptions } from './event-log.ts';
import { LocalEventLog } from './local-event-log.ts';
import { defaultRetention, type Retention } from './retention.ts';
import type { Durability } from './sqlite-layout.ts';
import { storable } from './storable.ts';
import { readStore, tableOfStore } from './store-reader.ts';
import { createSingleObjectFormat, type WireFormat } from './wire-format.ts';
import { WriteClient } from './write-client.ts';

export interface EmbeddedEventLogOptions {
  /** Made where it is not there, for its owner alone. */
  readonly directory: string;
  /** Default `group`. */
  readonly durability?: Durability;
  /** What is left out is as in `defaultRetention`. */
  readonly retention?: Partial<Retention>;
}

/**
 * The durable log of one machine, in a SQLite file: one process owns it, others read it. A killed process loses nothing
 * that was acknowledged.
 */
export class EmbeddedEventLog extends LocalEventLog {
  readonly #store: EmbeddedStore;

  /**
   * Throws `EVENT_LOG_OWNED` where another process has it; where it cannot be opened `EVENT_LOG_DAMAGED`, `DATA_TOO_NEW`,
   * `DISK_FULL` or `EVENT_LOG_FAILED`.
   */
  static async open(options: EmbeddedEventLogOptions): Promise<EmbeddedEventLog> {
    const store = await EmbeddedStore.open({
      directory: options.directory,
      durability: options.durability ?? 'group',
      retention: { ...defaultRetention, ...options.retention },
    });
    return new EmbeddedEventLog(store);
  }

  /** Reads a log that another process may own and write to meanwhile. Throws as `open`, and `EVENT_LOG_FAILED` where there is none. */
  static openReadOnly(options: { readonly directory: string }): EventLogReader {
    return new ReadOnlyEventLog(new ReadOnlyStore(options.directory));
  }

  private constructor(store: EmbeddedStore) {
    super(store);
    this.#store = store;
  }

  /** What a person should know of how the log was found: whole sentences. */
  get notices(): readonly string[] {
    return this.#store.notices;
  }

  /** For another thread of this process: transfer it there and give it to `appendThrough`. */
  createAppendPort(): MessagePort {
    return this.#store.createPort();
  }
}

/** The reading half of a log. */
export type EventLogReader = Pick<EventLog, 'read' | 'table'> & AsyncDisposable;

/** The appending half of a log. */
export type EventLogAppender = Pick<EventLog, 'append'> & AsyncDisposable;

/** Appends to the log whose `createAppendPort` made `port`, from another thread; values are encoded in this one. */
export function appendThrough(port: MessagePort): EventLogAppender {
  const format = createSingleObjectFormat();
  const client = new WriteClient(port);
  return {
    append: (records: readonly OutputRecord[]) =>
      client.write({ records: records.map((record) => storable(record, {}, format)) }),
    [Symbol.asyncDispose]: async () => {
      await client.close();
    },
  };
}

class ReadOnlyEventLog implements EventLogReader {
  readonly #store: ReadOnlyStore;
  readonly #format: WireFormat = createSingleObjectFormat();
  readonly #closing = new AbortController();

  constructor(store: ReadOnlyStore) {
    this.#store = store;
  }

  read(options: ReadOptions): AsyncIterable<LogRecord> {
    const signal = AbortSignal.any([options.signal, this.#closing.signal]);
    return readStore(this.#store, this.#format, { ...options, signal });
  }

  // Asynchronous by contract. What throws must reject.
  // eslint-disable-next-line @typescript-eslint/require-await
  async table(topic: TopicName): Promise<{ readonly records: readonly LogRecord[]; readonly position: number }> {
    return tableOfStore(this.#store, this.#format, topic);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    await this.#store.close();
  }
}
