import process from 'node:process';

/** One measured figure. */
export interface Figure {
  readonly bench: string;
  readonly figure: string;
  readonly value: number;
  readonly unit: string;
  /** What `value` is compared with, measured in the same run; `null` where there is nothing fair to compare with. */
  readonly baseline: number | null;
}

/** Prints figures as they come: one JSON object a line for machines, or aligned text. */
export class Report {
  readonly #json: boolean;

  constructor(options: { readonly json: boolean }) {
    this.#json = options.json;
  }

  figure(figure: Figure): void {
    const ratio = figure.baseline === null || figure.baseline === 0 ? null : round(figure.value / figure.baseline);
    const rounded = {
      ...figure,
      value: round(figure.value),
      baseline: figure.baseline && round(figure.baseline),
      ratio,
    };
    if (this.#json) {
      process.stdout.write(`${JSON.stringify(rounded)}\n`);
      return;
    }
    const compared = ratio === null ? '' : `  (${ratio} × ${rounded.baseline ?? 0} ${figure.unit})`;
    process.stdout.write(
      `${figure.bench.padEnd(8)} ${figure.figure.padEnd(44)} ${String(rounded.value).padStart(12)} ${figure.unit}${compared}\n`,
    );
  }

  /** What is going on, for whoever waits; never on standard output. */
  progress(text: string): void {
    process.stderr.write(`${text}\n`);
  }
}

/** The value below which `share` (0 to 1) of the values lie; NaN where there are none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((first, second) => first - second);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

function round(value: number): number {
  return Number(value.toPrecision(4));
}
