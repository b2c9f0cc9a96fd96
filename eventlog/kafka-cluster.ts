import type { Cluster, Kafka } from 'kafkajs';
import { retry } from '../runtime/retry.ts';
import { EventLogError } from './errors.ts';
import { createCluster } from './kafka-client.ts';
import { kafkaFailure } from './kafka-errors.ts';

/** Attempts and waits where a broker does not answer: some 6 s in all, then the caller's caller decides. */
const askRetry = { firstDelayMs: 20, maxDelayMs: 1000, maxAttempts: 12 };

/** Questions to the cluster over connections of their own, each asked again for some seconds. To be disconnected. */
export class KafkaCluster {
  readonly #cluster: Cluster;
  readonly #ending = new AbortController();
  readonly #signal: AbortSignal;
  readonly #asking = new Set<Promise<unknown>>();

  /** `signal` ends the attempts. */
  constructor(kafka: Kafka, signal: AbortSignal) {
    this.#cluster = createCluster(kafka);
    this.#signal = AbortSignal.any([signal, this.#ending.signal]);
  }

  /** Throws `EVENT_LOG_FAILED`, retriable where it may pass, and what `question` throws as an `EventLogError`. */
  async ask<Answer>(doing: string, question: (cluster: Cluster) => Promise<Answer>): Promise<Answer> {
    if (this.#ending.signal.aborted) throw new EventLogError('EVENT_LOG_FAILED', `${doing} failed: the log was closed`);
    const asking = retry((attempt) => this.#attempt(doing, question, attempt), { ...askRetry, signal: this.#signal });
    this.#asking.add(asking);
    try {
      return await asking;
    } finally {
      this.#asking.delete(asking);
    }
  }

  /**
   * Waits for what is being asked, which is not asked again. Disconnected under it, kafkajs would forget a connection that is
   * just being made, and never close it.
   */
  async disconnect(): Promise<void> {
    this.#ending.abort();
    await Promise.allSettled(this.#asking);
    await this.#cluster.disconnect();
  }

  async #attempt<Answer>(
    doing: string,
    question: (cluster: Cluster) => Promise<Answer>,
    attempt: number,
  ): Promise<Answer> {
    try {
      await this.#cluster.connect();
      // A broker that is gone is still in the metadata that led to it.
      if (attempt > 1) await this.#cluster.refreshMetadata();
      return await question(this.#cluster);
    } catch (error) {
      throw kafkaFailure(error, doing);
    }
  }
}
