import { setTimeout as delay } from 'node:timers/promises';
import type { TopicName } from '../schemas/topics.ts';
import { EventLogError } from './errors.ts';
import { KafkaCursor } from './kafka-cursor.ts';
import type { KafkaFetcher } from './kafka-fetcher.ts';
import type { KafkaLookups } from './kafka-lookups.ts';
import type { KafkaRecord } from './kafka-record.ts';

/** Between two looks at a table whose next change is of a transaction that is still open, milliseconds. */
const openTransactionMs = 10;

/** A table's changes, brought forward as far as the inputs need them. */
export class KafkaTable {
  readonly topic: TopicName;
  /** The offset after the last change that is in force. */
  position = 0;
  readonly #cursor: KafkaCursor;
  readonly #fetcher: KafkaFetcher;
  readonly #lookups: KafkaLookups;

  private constructor(cursor: KafkaCursor, fetcher: KafkaFetcher, lookups: KafkaLookups) {
    this.topic = cursor.topic;
    this.#cursor = cursor;
    this.#fetcher = fetcher;
    this.#lookups = lookups;
  }

  /** From the first change that is still there. `fetcher` may be shared: it is never asked to wait. */
  static async open(topic: TopicName, fetcher: KafkaFetcher, lookups: KafkaLookups): Promise<KafkaTable> {
    return new KafkaTable(new KafkaCursor(topic, 0, await lookups.low(topic, 0)), fetcher, lookups);
  }

  /** The changes from `position` on that can be read by now. */
  async toEnd(): Promise<readonly KafkaRecord[]> {
    const changes: KafkaRecord[] = [];
    do {
      await this.#fetch();
      this.#takeBelow(Infinity, changes);
    } while (this.#cursor.fetchFrom < this.#cursor.stableEnd);
    const last = changes.at(-1);
    if (last !== undefined) this.position = last.offset + 1;
    return changes;
  }

  /**
   * The changes from `position` on that are below `target`, some at a time, where it is above; waits for those of
   * transactions that are still open. Throws `EVENT_LOG_FAILED` where the table has never been there.
   */
  async *to(target: number, signal: AbortSignal): AsyncGenerator<readonly KafkaRecord[]> {
    if (target <= this.position) return;
    while (!signal.aborted) {
      const changes: KafkaRecord[] = [];
      this.#takeBelow(target, changes);
      if (changes.length > 0) yield changes;
      // Compaction may have removed the last changes below it.
      if (this.#cursor.head() !== undefined || this.#cursor.fetchFrom >= target) break;
      const from = this.#cursor.fetchFrom;
      await this.#fetch();
      if (this.#cursor.fetchFrom > from) continue;
      await this.#assertReaches(target);
      await delay(openTransactionMs);
    }
    this.position = target;
  }

  #takeBelow(offset: number, into: KafkaRecord[]): void {
    for (let head = this.#cursor.head(); head !== undefined && head.offset < offset; head = this.#cursor.head()) {
      this.#cursor.take();
      into.push(head);
    }
  }

  async #fetch(): Promise<void> {
    const [fetched] = await this.#fetcher.fetch([this.#cursor.wish()], 0);
    if (fetched !== undefined) this.#cursor.accept(fetched);
  }

  async #assertReaches(target: number): Promise<void> {
    const end = await this.#lookups.end(this.topic, 0);
    if (end >= target) return;
    throw new EventLogError(
      'EVENT_LOG_FAILED',
      `records were judged with ${this.topic} at ${target}, but the topic ends at ${end}: it is not the one that they were judged with`,
    );
  }
}
