import { PalisadeError } from '../runtime/errors.ts';
import { secondsBuckets, type Metrics } from '../runtime/metrics.ts';
import type { InputBatch, LogRecord, OutputRecord } from './event-log.ts';

/** From a millisecond to an hour: an alert's age in a flow that keeps up, and in one that catches up. */
const ageBuckets = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 300, 3600];

/**
 * The metrics that every processor and sink has, under the same names, with labels `stage` and `topic`; counted a batch
 * at a time. received − sent for a sink, and the lag for all, show who is behind.
 */
export class StageMetrics {
  readonly #metrics: Metrics;
  readonly #stage: string;

  constructor(metrics: Metrics, stage: string) {
    this.#metrics = metrics;
    this.#stage = stage;
  }

  received(batch: InputBatch): void {
    const counter = this.#metrics.counter('palisade_events_received_total');
    for (const [topic, count] of countByTopic(batch.records)) counter.add(count, { stage: this.#stage, topic });
    this.#metrics.gauge('palisade_lag_records').set(batch.waiting, { stage: this.#stage });
    const last = batch.records.at(-1);
    if (last === undefined) return;
    const ageSeconds = Math.max(0, Date.now() - last.timestampMs) / 1000;
    this.#metrics.histogram('palisade_event_age_seconds', ageBuckets).observe(ageSeconds, { stage: this.#stage });
  }

  sent(records: readonly (OutputRecord | LogRecord)[]): void {
    const counter = this.#metrics.counter('palisade_events_sent_total');
    for (const [topic, count] of countByTopic(records)) counter.add(count, { stage: this.#stage, topic });
  }

  dropped(topic: string, reason: string): void {
    this.#metrics.counter('palisade_events_dropped_total').add(1, { stage: this.#stage, topic, reason });
  }

  failed(error: unknown): void {
    const code = error instanceof PalisadeError ? error.code : 'UNEXPECTED';
    this.#metrics.counter('palisade_errors_total').add(1, { stage: this.#stage, code });
  }

  batchTook(seconds: number): void {
    this.#metrics.histogram('palisade_batch_seconds', secondsBuckets).observe(seconds, { stage: this.#stage });
  }
}

function countByTopic(records: readonly { readonly topic: string }[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { topic } of records) counts.set(topic, (counts.get(topic) ?? 0) + 1);
  return counts;
}
