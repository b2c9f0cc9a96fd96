import kafkajs, { type Kafka, type Producer } from 'kafkajs';
import { chunksOf, type Chunk } from './kafka-chunks.ts';
import { kafkaRetry } from './kafka-config.ts';
import { kafkaFailure } from './kafka-errors.ts';
import type { KafkaLookups } from './kafka-lookups.ts';
import type { MessageMaker } from './kafka-record.ts';
import type { UnstoredRecord } from './log-store.ts';

interface Waiting {
  readonly records: readonly UnstoredRecord[];
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export interface AppenderOptions {
  readonly maker: MessageMaker;
  readonly lookups: KafkaLookups;
  readonly chunkBytes: number;
}

/**
 * Appends outside of transactions, by one idempotent producer and one request at a time: kafkajs loses the order, or
 * records, of idempotent sends that run side by side (tulios/kafkajs#598, #1005). What comes in meanwhile goes into the
 * next request together.
 */
export class KafkaAppender {
  readonly #kafka: Kafka;
  readonly #options: AppenderOptions;
  #producer: Promise<Producer> | undefined;
  #waiting: Waiting[] = [];
  #sending: Promise<void> | undefined;

  constructor(kafka: Kafka, options: AppenderOptions) {
    this.#kafka = kafka;
    this.#options = options;
  }

  /**
   * Resolves when all in-sync replicas have `records`. Where it throws `EVENT_LOG_FAILED`, any number of them may have been
   * written, and all calls that were made in between fail with it: a later one must not overtake.
   */
  append(records: readonly UnstoredRecord[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ records, resolve, reject });
      this.#sending ??= this.#send().finally(() => {
        this.#sending = undefined;
      });
    });
  }

  /** Waits for what is being sent. */
  async close(): Promise<void> {
    await this.#sending;
    await this.#discardProducer();
  }

  async #send(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      try {
        const { maker, lookups, chunkBytes } = this.#options;
        const records = batch.flatMap((waiting) => waiting.records);
        for (const chunk of await chunksOf(records, maker, lookups, chunkBytes)) await this.#sendChunk(chunk);
        for (const { resolve } of batch) resolve();
      } catch (cause) {
        // Whether it was written is unknown, and with it the producer's next sequence number.
        await this.#discardProducer();
        const error = kafkaFailure(cause, 'appending to Kafka');
        for (const { reject } of [...batch, ...this.#waiting]) reject(error);
        this.#waiting = [];
      }
    }
  }

  async #sendChunk(chunk: Chunk): Promise<void> {
    this.#producer ??= this.#connect();
    const producer = await this.#producer;
    await producer.sendBatch({ topicMessages: [...chunk], acks: -1, compression: kafkajs.CompressionTypes.ZSTD });
  }

  async #connect(): Promise<Producer> {
    const producer = this.#kafka.producer({
      idempotent: true,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
      retry: kafkaRetry,
    });
    try {
      await producer.connect();
    } catch (error) {
      await producer.disconnect();
      throw error;
    }
    return producer;
  }

  async #discardProducer(): Promise<void> {
    const discarded = this.#producer;
    this.#producer = undefined;
    try {
      await (await discarded)?.disconnect();
    } catch {
      // It never connected, which its own caller was told, or its connections are gone already.
    }
  }
}
