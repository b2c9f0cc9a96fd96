import { setTimeout as delay } from 'node:timers/promises';
import kafkajs, { type Kafka, type Producer, type Transaction } from 'kafkajs';
import { EventLogError } from './errors.ts';
import type { Chunk } from './kafka-chunks.ts';
import { kafkaRetry } from './kafka-config.ts';
import { isLasting, kafkaErrorType, kafkaFailure } from './kafka-errors.ts';

/** A group's position in one partition of a topic, with what is written beside it. */
export interface CommittedPosition {
  /** As the cluster has it. */
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly metadata: string;
}

export interface PartitionLockOptions {
  /** One for each group and partition of its inputs: whoever takes it locks out whoever had it. */
  readonly transactionalId: string;
  readonly group: string;
  /** After so long, milliseconds, the broker aborts a transaction that hangs. */
  readonly timeoutMs: number;
}

/** Between two attempts while the broker is still at the markers of the transaction before, milliseconds. */
const markersMs = 5;
/** Attempts until something else is wrong than that: some 5 s. */
const maxMarkerAttempts = 1000;

/**
 * The ownership of one input partition by a group: a transactional producer whose id is the partition's. A newer one with
 * the same id ends our open transaction and fences every later one, so that what decides is the broker's transaction
 * coordinator, and never a group's view of its members (KIP-98; kafkajs's TxnOffsetCommit carries no generation, KIP-447).
 *
 * A producer of kafkajs never recovers from a commit or abort that failed (tulios/kafkajs#1275, #1416), so after any failure
 * the lock is lost and is to be taken again: its first transaction settles what became of the last one.
 */
export class PartitionLock {
  readonly #producer: Producer;
  readonly #options: PartitionLockOptions;
  #isLost = false;

  private constructor(producer: Producer, options: PartitionLockOptions) {
    this.#producer = producer;
    this.#options = options;
  }

  /**
   * Takes the partition from whoever has it. Only what is read after this is what the predecessor left: offsets and the
   * ends of topics. Throws `EVENT_LOG_FAILED`, retriable where it may pass.
   */
  static async take(kafka: Kafka, options: PartitionLockOptions): Promise<PartitionLock> {
    const producer = kafka.producer({
      transactionalId: options.transactionalId,
      transactionTimeout: options.timeoutMs,
      idempotent: true,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
      retry: kafkaRetry,
    });
    const lock = new PartitionLock(producer, options);
    try {
      await producer.connect();
      // Connecting locks out nobody: InitProducerId goes with the first transaction.
      const first = await producer.transaction();
      await first.abort();
      return lock;
    } catch (error) {
      await lock.release();
      throw kafkaFailure(error, `taking the partition ${options.transactionalId}`);
    }
  }

  /**
   * Publishes `chunks` and the group's positions, both or neither. Throws `FENCED` where that did not happen, or nobody can
   * tell, and `EVENT_LOG_FAILED` where it would fail again; either way the lock is lost.
   */
  async commit(chunks: readonly Chunk[], positions: readonly CommittedPosition[]): Promise<void> {
    if (this.#isLost) throw this.#fenced('an earlier transaction failed', undefined);
    let transaction: Transaction | undefined;
    try {
      transaction = await this.#producer.transaction();
      for (const chunk of chunks) {
        await transaction.sendBatch({
          topicMessages: [...chunk],
          acks: -1,
          compression: kafkajs.CompressionTypes.ZSTD,
        });
      }
      await this.#sendPositions(transaction, positions);
      await transaction.commit();
    } catch (error) {
      this.#isLost = true;
      if (isLasting(error)) {
        await abortQuietly(transaction);
        throw kafkaFailure(error, `committing a transaction of ${this.#options.transactionalId}`);
      }
      throw this.#fenced(error instanceof Error ? error.message : String(error), error);
    }
  }

  /** Lets go without a word to anybody: what is open is aborted by the next owner, or by its timeout. */
  async release(): Promise<void> {
    this.#isLost = true;
    try {
      await this.#producer.disconnect();
    } catch {
      // Its connections are gone already.
    }
  }

  /** kafkajs repeats a send that meets the markers of the transaction before, but not this call (tulios/kafkajs#430). */
  async #sendPositions(transaction: Transaction, positions: readonly CommittedPosition[]): Promise<void> {
    const topics = positions.map(({ topic, partition, offset, metadata }) => {
      // The metadata is sent (TxnOffsetCommit v0 and later) and not in kafkajs's type.
      const position = { partition, offset: String(offset), metadata };
      return { topic, partitions: [position] };
    });
    for (let attempt = 1; ; attempt++) {
      try {
        await transaction.sendOffsets({ consumerGroupId: this.#options.group, topics });
        return;
      } catch (error) {
        if (kafkaErrorType(error) !== 'CONCURRENT_TRANSACTIONS' || attempt >= maxMarkerAttempts) throw error;
        await delay(markersMs);
      }
    }
  }

  #fenced(reason: string, cause: unknown): EventLogError {
    const { transactionalId } = this.#options;
    return new EventLogError('FENCED', `the partition ${transactionalId} is no longer ours: ${reason}`, { cause });
  }
}

/** Nobody will take the partition soon, and until the transaction's timeout it would hold back every reader. */
async function abortQuietly(transaction: Transaction | undefined): Promise<void> {
  try {
    if (transaction?.isActive() === true) await transaction.abort();
  } catch {
    // The broker aborts it at its timeout; the caller throws what came first.
  }
}
