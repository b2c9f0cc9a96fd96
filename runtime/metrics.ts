/** Names and values that tell series of one metric apart. No label whose values grow. */
export type Labels = Readonly<Record<string, string>>;

/** Only rises. */
export interface Counter {
  add(amount: number, labels?: Labels): void;
}

/** Is what it was last set to. */
export interface Gauge {
  set(value: number, labels?: Labels): void;
}

/** Counts observations by upper bound. */
export interface Histogram {
  observe(value: number, labels?: Labels): void;
}

/** One series as it is now. */
export type MetricSample =
  | {
      readonly kind: 'counter' | 'gauge';
      readonly name: string;
      readonly labels: Labels;
      readonly value: number;
    }
  | {
      readonly kind: 'histogram';
      readonly name: string;
      readonly labels: Labels;
      readonly count: number;
      readonly sum: number;
      /** Observations at or below each of the metric's bounds, cumulative. */
      readonly buckets: readonly { readonly upTo: number; readonly count: number }[];
    };

/** Seconds, from a quarter of a millisecond to ten seconds. */
export const secondsBuckets = [0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];

/** More series than this in one process mean a label whose values grow: further ones are refused with an error. */
const maxSeries = 10_000;

interface Series {
  readonly name: string;
  readonly kind: MetricSample['kind'];
  readonly labels: Labels;
  readonly bounds: readonly number[];
  value: number;
  count: number;
  readonly perBucket: number[];
}

/** The metrics of one process. Names are `palisade_<noun>_<unit>`, counters end in `_total`. */
export class Metrics {
  readonly #series = new Map<string, Series>();

  counter(name: string): Counter {
    return {
      add: (amount, labels = {}) => {
        this.#find('counter', name, labels).value += amount;
      },
    };
  }

  gauge(name: string): Gauge {
    return {
      set: (value, labels = {}) => {
        this.#find('gauge', name, labels).value = value;
      },
    };
  }

  /** `bounds`: upper bounds, rising; what is above the last one counts in `count` alone. */
  histogram(name: string, bounds: readonly number[]): Histogram {
    return {
      observe: (value, labels = {}) => {
        const series = this.#find('histogram', name, labels, bounds);
        series.count += 1;
        series.value += value;
        const bucket = bounds.findIndex((bound) => value <= bound);
        if (bucket >= 0) series.perBucket[bucket] = (series.perBucket[bucket] ?? 0) + 1;
      },
    };
  }

  /** Every series that was touched, in the order of first touch. */
  snapshot(): readonly MetricSample[] {
    return [...this.#series.values()].map(sampleOf);
  }

  #find(kind: Series['kind'], name: string, labels: Labels, bounds: readonly number[] = []): Series {
    const key = `${name} ${Object.keys(labels)
      .sort()
      .map((label) => `${label}=${labels[label] ?? ''}`)
      .join('\u0000')}`;
    let series = this.#series.get(key);
    if (series === undefined) {
      if (this.#series.size >= maxSeries) throw new Error(`metric ${name}: a label's values grow without end`);
      series = { name, kind, labels, bounds, value: 0, count: 0, perBucket: bounds.map(() => 0) };
      this.#series.set(key, series);
    }
    return series;
  }
}

function sampleOf(series: Series): MetricSample {
  const { name, labels, kind } = series;
  if (kind !== 'histogram') return { kind, name, labels, value: series.value };
  let cumulative = 0;
  const buckets = series.bounds.map((upTo, place) => {
    cumulative += series.perBucket[place] ?? 0;
    return { upTo, count: cumulative };
  });
  return { kind, name, labels, count: series.count, sum: series.value, buckets };
}
