import { setTimeout as delay } from 'node:timers/promises';
import type { TopicName } from '../schemas/topics.ts';
import type { Fetched, FetchWish, KafkaFetcher } from './kafka-fetcher.ts';
import type { KafkaRecord } from './kafka-record.ts';

/** Between two looks at a partition whose next records are of a transaction that is still open, milliseconds. */
const openTransactionMs = 10;

/** One partition of a topic being read forward. */
export class KafkaCursor {
  readonly topic: TopicName;
  readonly partition: number;
  /** The offset from which the next fetch reads. */
  fetchFrom: number;
  /** Below it everything can be read, as of the last fetch. */
  stableEnd: number;
  #buffer: readonly KafkaRecord[] = [];
  #index = 0;

  constructor(topic: TopicName, partition: number, from: number) {
    this.topic = topic;
    this.partition = partition;
    this.fetchFrom = from;
    this.stableEnd = from;
  }

  /** The next record, where it is fetched. */
  head(): KafkaRecord | undefined {
    return this.#buffer[this.#index];
  }

  take(): void {
    this.#index += 1;
  }

  /** Records that can be read and were not taken, as of the last fetch; control records among them count. */
  waiting(): number {
    return Math.max(0, this.stableEnd - (this.head()?.offset ?? this.fetchFrom));
  }

  wish(): FetchWish {
    return { topic: this.topic, partition: this.partition, offset: this.fetchFrom };
  }

  accept(fetched: Fetched): void {
    this.#buffer = [...this.#buffer.slice(this.#index), ...fetched.records];
    this.#index = 0;
    this.fetchFrom = fetched.next;
    this.stableEnd = fetched.stableEnd;
  }
}

/**
 * Every committed record of a partition from `from` up to `until`, a stretch at a time; waits for transactions below
 * `until` that are still open. Ends where `signal` aborts.
 */
export async function* readStretch(
  fetcher: KafkaFetcher,
  from: FetchWish,
  until: number,
  signal: AbortSignal,
): AsyncGenerator<readonly KafkaRecord[]> {
  for (let offset = from.offset; offset < until && !signal.aborted;) {
    const [fetched] = await fetcher.fetch([{ ...from, offset }], 0);
    const records = fetched?.records.filter((record) => record.offset < until) ?? [];
    if (records.length > 0) yield records;
    if (fetched === undefined || fetched.next === offset) await delay(openTransactionMs);
    else offset = fetched.next;
  }
}

/** The last record of each key of a stretch that is no tombstone, in order of offset. Holds them all. */
export async function latestOf(stretch: AsyncIterable<readonly KafkaRecord[]>): Promise<readonly KafkaRecord[]> {
  const latest = new Map<string, KafkaRecord>();
  for await (const records of stretch) {
    for (const record of records) {
      // Deleted first: a map keeps the place of a key's first insertion.
      latest.delete(record.key);
      if (record.value !== undefined || record.damage !== undefined) latest.set(record.key, record);
    }
  }
  return [...latest.values()];
}
