import type { TopicName } from '../schemas/topics.ts';
import { EventLogError } from './errors.ts';
import type { AssignedPartition, ConsumeOptions, EventLog, LogRecord, OutputRecord, ReadOptions } from './event-log.ts';
import { KafkaAppender } from './kafka-appender.ts';
import type { KafkaLogOptions } from './kafka-config.ts';
import { consumeKafka } from './kafka-consumer.ts';
import { readKafka, tableOfKafka } from './kafka-reader.ts';
import { createServices, type KafkaServices } from './kafka-services.ts';
import { storable } from './storable.ts';

/**
 * The log on Apache Kafka. Positions are those of consumer groups, ownership is a transactional producer for each partition
 * of a group's inputs (`kafka-ownership.ts` has the order of its steps), everything is read at read_committed. The topics
 * have to be there. Connects when it is first used.
 */
export class KafkaEventLog implements EventLog {
  readonly #services: KafkaServices;
  readonly #appender: KafkaAppender;
  readonly #closing = new AbortController();
  /** Where readers begin and end, while it is being asked. */
  readonly #begun = new Set<Promise<unknown>>();
  /** What `consume` still has to give back when the log is closed. */
  readonly #consuming = new Set<Promise<void>>();

  constructor(options: KafkaLogOptions) {
    this.#services = createServices(options, this.#closing.signal);
    const { kafka, maker, lookups, tuning } = this.#services;
    this.#appender = new KafkaAppender(kafka, { maker, lookups, chunkBytes: tuning.chunkBytes });
  }

  async append(records: readonly OutputRecord[]): Promise<void> {
    this.#assertOpen();
    const stored = records.map((record) => storable(record, {}, this.#services.format));
    // What is appended after a call of `read` is after its end: one caller's calls have an order, whoever asks the broker first.
    await Promise.all(this.#begun);
    await this.#appender.append(stored);
  }

  async consume(options: ConsumeOptions, own: (partition: AssignedPartition) => Promise<void>): Promise<void> {
    this.#assertOpen();
    const signal = AbortSignal.any([options.signal, this.#closing.signal]);
    const consuming = consumeKafka(this.#services, { ...options, signal }, own);
    const ended = consuming.catch(() => undefined);
    this.#consuming.add(ended);
    try {
      await consuming;
    } finally {
      this.#consuming.delete(ended);
    }
  }

  read(options: ReadOptions): AsyncIterable<LogRecord> {
    this.#assertOpen();
    const signal = AbortSignal.any([options.signal, this.#closing.signal]);
    return readKafka(this.#services, { ...options, signal }, (question) => {
      this.#begun.add(question);
      void question.then(() => this.#begun.delete(question));
    });
  }

  async table(topic: TopicName): Promise<{ readonly records: readonly LogRecord[]; readonly position: number }> {
    this.#assertOpen();
    return tableOfKafka(this.#services, topic);
  }

  /** Ends every `consume` and `read`, waits for what is being sent, and disconnects. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    await Promise.all(this.#consuming);
    await this.#appender.close();
    await this.#services.lookups.disconnect();
    await this.#services.fetcher.disconnect();
  }

  #assertOpen(): void {
    if (this.#closing.signal.aborted) throw new EventLogError('EVENT_LOG_FAILED', 'the log is closed');
  }
}
