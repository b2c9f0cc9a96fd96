import { spawn } from 'node:child_process';
import { once } from 'node:events';
import process from 'node:process';
import { text } from 'node:stream/consumers';
import type { Benchmark, Measurements, Results } from './benchmark.ts';

/** The longest trial has a minute of work; beyond this it hangs. */
const trialTimeoutMs = 600_000;

/**
 * Measures every variant `trials` times, each time in a process of its own: what one trial has compiled, cached or left in
 * memory shows in no other. Throws where a trial fails.
 */
export async function runTrials(
  name: string,
  { trials, variants }: Benchmark,
  onTrial: (variant: string, trial: number) => void,
): Promise<Results> {
  const results = new Map<string, Measurements[]>(Object.keys(variants).map((variant) => [variant, []]));
  for (let trial = 1; trial <= trials; trial++) {
    for (const [variant, measured] of results) {
      onTrial(variant, trial);
      measured.push(await runTrial(name, variant));
    }
  }
  return (variant, measurement) => {
    const values = (results.get(variant) ?? []).map((measured) => measured[measurement]);
    if (values.length === 0 || values.includes(undefined)) {
      throw new Error(`the bench ${name} measures no ${measurement} of ${variant}`);
    }
    return values.filter((value) => value !== undefined);
  };
}

async function runTrial(bench: string, variant: string): Promise<Measurements> {
  const main = process.argv[1] ?? '';
  const child = spawn(process.execPath, ['--enable-source-maps', main, '--trial', bench, variant], {
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: trialTimeoutMs,
    killSignal: 'SIGKILL',
  });
  const ended = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
  const [output, [code, signal]] = await Promise.all([text(child.stdout), ended]);
  if (code !== 0) throw new Error(`a trial of ${bench}, ${variant}, ended with ${signal ?? `exit code ${code ?? -1}`}`);
  return JSON.parse(output) as Measurements;
}
