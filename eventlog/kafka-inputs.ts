import type { TopicName } from '../schemas/topics.ts';
import type { KafkaCursor } from './kafka-cursor.ts';
import type { KafkaFetcher } from './kafka-fetcher.ts';
import type { KafkaRecord } from './kafka-record.ts';

/** An input, and the fetch that it came with. */
export interface Input {
  readonly record: KafkaRecord;
  /** Grows with each fetch that brought something: what was looked up after an earlier one may be older than this record. */
  readonly fetch: number;
}

/**
 * The inputs of one partition, read ahead by one fetch: while a batch is being handled, the broker looks for the next
 * records, or waits for them.
 */
export class KafkaInputs {
  readonly #fetcher: KafkaFetcher;
  readonly #cursors: readonly KafkaCursor[];
  readonly #waitMs: number;
  #fetch = 0;
  #pending: Promise<void> | undefined;

  /** `fetcher` is this object's alone. */
  constructor(fetcher: KafkaFetcher, cursors: readonly KafkaCursor[], waitMs: number) {
    this.#fetcher = fetcher;
    this.#cursors = cursors;
    this.#waitMs = waitMs;
  }

  /** The next record, where it is fetched and below its topic's offset in `until`. Order holds within a topic. */
  next(until: ReadonlyMap<TopicName, number> | undefined): Input | undefined {
    for (const cursor of this.#cursors) {
      const record = cursor.head();
      if (record === undefined || record.offset >= (until?.get(record.topic) ?? Infinity)) continue;
      cursor.take();
      return { record, fetch: this.#fetch };
    }
    return undefined;
  }

  /** Whether a topic was not fetched up to its offset in `until` yet. */
  isBehind(until: ReadonlyMap<TopicName, number>): boolean {
    return this.#cursors.some((cursor) => cursor.fetchFrom < (until.get(cursor.topic) ?? 0));
  }

  /** Whether records can be fetched at once, by what was last seen of the topics' ends; below `until` where it is given. */
  hasMore(until: ReadonlyMap<TopicName, number> | undefined): boolean {
    return this.#cursors.some(
      ({ topic, fetchFrom, stableEnd }) => fetchFrom < Math.min(stableEnd, until?.get(topic) ?? Infinity),
    );
  }

  /** See `KafkaCursor.waiting`. */
  waiting(): number {
    return this.#cursors.reduce((sum, cursor) => sum + cursor.waiting(), 0);
  }

  /** Begins to fetch, or to wait for what comes, where a topic has nothing left here. */
  readAhead(): void {
    if (this.#pending !== undefined) return;
    const empty = this.#cursors.filter((cursor) => cursor.head() === undefined);
    if (empty.length === 0) return;
    this.#pending = this.#fill(empty);
    // Thrown to whoever awaits it in `more`.
    this.#pending.catch(() => undefined);
  }

  /** Resolves after the next answer of the broker, with or without records, or when `signal` aborts. */
  async more(signal: AbortSignal): Promise<void> {
    this.readAhead();
    const pending = this.#pending;
    if (pending === undefined || signal.aborted) return;
    let stop: () => void = () => undefined;
    const aborted = new Promise<void>((resolve) => {
      stop = resolve;
    });
    signal.addEventListener('abort', stop);
    try {
      await Promise.race([pending, aborted]);
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }

  async #fill(cursors: readonly KafkaCursor[]): Promise<void> {
    try {
      const fetched = await this.#fetcher.fetch(
        cursors.map((cursor) => cursor.wish()),
        this.#waitMs,
      );
      if (fetched.some(({ records }) => records.length > 0)) this.#fetch += 1;
      for (const [place, cursor] of cursors.entries()) {
        const theirs = fetched[place];
        if (theirs !== undefined) cursor.accept(theirs);
      }
    } finally {
      this.#pending = undefined;
    }
  }
}
