/** What one trial measured, by name. */
export type Measurements = Readonly<Record<string, number>>;

/** What is reported, once all trials are done. */
export interface Figure {
  readonly figure: string;
  readonly unit: string;
  /** One of each trial. The median is what counts. */
  readonly values: readonly number[];
  /** What `values` is compared with, measured in the same run; `null` where there is nothing fair to compare with. */
  readonly baseline: readonly number[] | null;
}

/** All values of one measurement of one variant, trial by trial. */
export type Results = (variant: string, measurement: string) => readonly number[];

/** One question, and how it is answered. */
export interface Benchmark {
  /** How often each variant is measured. */
  readonly trials: number;
  /**
   * Name → one trial, which runs in a process of its own and must print nothing on standard output. Variants take turns
   * (first, second, first, second, …), so that a machine that is slow for a while is slow for all of them: a baseline is a
   * variant like any other.
   */
  readonly variants: Readonly<Record<string, () => Promise<Measurements>>>;
  readonly figures: (results: Results) => readonly Figure[];
  /** What this machine lacks for it, in words for a person; `undefined`: nothing. */
  readonly missing?: () => string | undefined;
}
