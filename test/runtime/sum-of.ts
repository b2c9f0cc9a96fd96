import type { Labels, Metrics } from '../../runtime/metrics.ts';

/** Sum over the series of `name` whose labels contain `labels`; of a histogram the count. 0 where there is none. */
export function sumOf(metrics: Metrics, name: string, labels: Labels = {}): number {
  return metrics
    .snapshot()
    .filter((sample) => sample.name === name)
    .filter((sample) => Object.entries(labels).every(([label, value]) => sample.labels[label] === value))
    .reduce((sum, sample) => sum + (sample.kind === 'histogram' ? sample.count : sample.value), 0);
}
