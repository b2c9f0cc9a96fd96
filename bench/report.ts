import process from 'node:process';
import type { Figure } from './benchmark.ts';

/** Prints figures as they come: one JSON object a line for machines, or aligned text with the lowest and highest trial. */
export class Report {
  readonly #json: boolean;
  readonly #output: { write(text: string): unknown };

  constructor(options: { readonly json: boolean; readonly output: { write(text: string): unknown } }) {
    this.#json = options.json;
    this.#output = options.output;
  }

  figure(bench: string, { figure, unit, values, baseline: baselines }: Figure): void {
    const value = quantile(values, 0.5);
    const baseline = baselines === null ? null : quantile(baselines, 0.5);
    const ratio = baseline === null || baseline === 0 ? null : round(value / baseline);
    const rounded = { value: round(value), unit, baseline: baseline && round(baseline), ratio };
    if (this.#json) {
      this.#output.write(`${JSON.stringify({ bench, figure, ...rounded })}\n`);
      return;
    }
    const span = values.length > 1 ? ` [${round(Math.min(...values))} to ${round(Math.max(...values))}]` : '';
    const compared = ratio === null ? '' : `  (${ratio} × ${rounded.baseline ?? 0} ${unit})`;
    const text = `${bench.padEnd(8)} ${figure.padEnd(44)} ${String(rounded.value).padStart(12)} ${unit}`;
    this.#output.write(`${text}${span}${compared}\n`);
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
