import type { Operation, OperationCounters, RawEventBatch } from '../../schemas/generated.ts';

/** As a collector: at least once a second. */
const everyNs = 1_000_000_000n;

/**
 * Gives an excerpt's batches the counters of a kernel that has seen nothing but what is left: with an excerpt's gapless
 * sequence numbers that is a session without loss, so that coverage comes of it.
 */
export class ExcerptCounters {
  readonly #counts = new Map<string, { cpu: number; operation: Operation; events: number }>();
  #lastNs: bigint | undefined;

  /** The next batch, with counters where they are due. */
  counted(batch: RawEventBatch): RawEventBatch {
    for (const { cpu, operation } of batch.events) {
      const key = `${cpu} ${operation}`;
      const count = this.#counts.get(key) ?? { cpu, operation, events: 0 };
      count.events += 1;
      this.#counts.set(key, count);
    }
    if (this.#lastNs !== undefined && batch.baseTimeNs - this.#lastNs < everyNs) return batch;
    this.#lastNs = batch.baseTimeNs;
    const counters = [...this.#counts.values()].map(({ cpu, operation, events }): OperationCounters => ({
      cpu,
      operation,
      seen: events,
      filtered: 0,
      submitted: events,
      dropped: 0,
    }));
    return { ...batch, counters };
  }
}
