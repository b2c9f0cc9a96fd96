import test from 'ava';
import fc from 'fast-check';
import type { ReadableStore, StoredRecord, UnstoredRecord } from '../../eventlog/log-store.ts';
import { MemoryStore } from '../../eventlog/memory-store.ts';
import { Merge } from '../../eventlog/merge.ts';
import { defaultRetention } from '../../eventlog/retention.ts';
import type { TopicName } from '../../schemas/topics.ts';

const topics = ['alerts', 'coverage', 'policies', 'workloads'] as const;

test('whatever is written between two looks, inputs come in the order of the log, each after its table changes', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom(...topics), { maxLength: 40 }),
      fc.infiniteStream(fc.nat({ max: 3 })),
      async (written, growth) => {
        const store = new GrowingStore(written, growth);
        const merged: StoredRecord[] = [];
        const merge = new Merge(store, {
          inputs: new Map([
            ['alerts', 0],
            ['coverage', 0],
          ]),
          tables: new Map([
            ['policies', 0],
            ['workloads', 0],
          ]),
        });
        while (store.isGrowing() || merged.length < store.lastInput) {
          const step = merge.next();
          if (step === undefined) continue;
          merged.push(...step.changes, step.input);
        }
        await store.close();
        // All that is there, up to the last input: nothing is passed over, nothing comes early.
        t.deepEqual(
          merged.map(({ topic, sequence }) => [topic, sequence]),
          written.slice(0, store.lastInput).map((topic, sequence) => [topic, sequence]),
        );
      },
    ),
    { numRuns: 200 },
  );
});

/** A store to which another thread writes: each look finds some more of `written`. */
class GrowingStore implements ReadableStore {
  /** How many records there are up to and with the last one of an input. */
  readonly lastInput: number;
  readonly #store = new MemoryStore(defaultRetention);
  readonly #unwritten: TopicName[];
  readonly #growth: Iterator<number>;

  constructor(written: readonly TopicName[], growth: Iterator<number>) {
    this.#unwritten = [...written];
    this.#growth = growth;
    this.lastInput = written.findLastIndex((topic) => topic === 'alerts' || topic === 'coverage') + 1;
  }

  isGrowing(): boolean {
    return this.#unwritten.length > 0;
  }

  fetch(topic: TopicName, from: number, maxBytes: number): ReturnType<ReadableStore['fetch']> {
    const records = this.#unwritten.splice(0, Number(this.#growth.next().value)).map(recordOf);
    // The memory store has written when it returns.
    void this.#store.write({ records });
    return this.#store.fetch(topic, from, maxBytes);
  }

  fetchLatest(topic: TopicName, after: number, maxBytes: number): ReturnType<ReadableStore['fetchLatest']> {
    return this.#store.fetchLatest(topic, after, maxBytes);
  }

  bounds(topic: TopicName): ReturnType<ReadableStore['bounds']> {
    return this.#store.bounds(topic);
  }

  end(): number {
    return this.#store.end();
  }

  changed(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    return this.#store.close();
  }
}

function recordOf(topic: TopicName): UnstoredRecord {
  return { topic, timestampMs: 0, key: '', value: new Uint8Array(1), tablePositions: {} };
}
