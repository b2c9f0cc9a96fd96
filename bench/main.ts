import process from 'node:process';
import { parseArgs } from 'node:util';
import type { Benchmark } from './benchmark.ts';
import { decode } from './decode.ts';
import { latency } from './latency.ts';
import { match } from './match.ts';
import { replay } from './replay.ts';
import { Report } from './report.ts';
import { restore } from './restore.ts';
import { ring } from './ring.ts';
import { runTrials } from './run-trials.ts';
import { sink } from './sink.ts';
import { syscall } from './syscall.ts';

/** Name → what measures it. */
const benchmarks: Readonly<Record<string, Benchmark>> = {
  ring,
  syscall,
  decode,
  match,
  replay,
  latency,
  sink,
  restore,
};
const usageExitCode = 64;

/**
 * `main.js [NAME…] [--json]`: all of them, or those named. `main.js --trial NAME VARIANT`: one trial, in this process, whose
 * measurements go to standard output as one JSON object; it is what runs the trials of the first form, and what one profiles.
 */
async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { json: { type: 'boolean', default: false }, trial: { type: 'boolean', default: false } },
  });
  if (values.trial) {
    const [name = '', variant = ''] = positionals;
    const trial = benchmarks[name]?.variants[variant];
    if (trial === undefined) refuse(`No such trial: ${name} ${variant}.`);
    else process.stdout.write(JSON.stringify(await trial()));
    return;
  }
  const wanted = positionals.length === 0 ? Object.keys(benchmarks) : positionals;
  const unknown = wanted.filter((name) => !Object.hasOwn(benchmarks, name));
  if (unknown.length > 0) {
    refuse(`No such benchmark: ${unknown.join(', ')}. There are: ${Object.keys(benchmarks).join(', ')}.`);
    return;
  }
  await measure(wanted, new Report({ json: values.json, output: process.stdout }));
}

async function measure(names: readonly string[], report: Report): Promise<void> {
  for (const name of names) {
    const benchmark = benchmarks[name];
    if (benchmark === undefined) continue;
    const missing = benchmark.missing?.();
    if (missing !== undefined) {
      report.progress(`${name}: left out, ${missing}`);
      continue;
    }
    const results = await runTrials(name, benchmark, (variant, trial) => {
      report.progress(`${name}: ${variant}, trial ${trial} of ${benchmark.trials} …`);
    });
    for (const figure of benchmark.figures(results)) report.figure(name, figure);
  }
}

function refuse(reason: string): void {
  process.stderr.write(`${reason}\n`);
  process.exitCode = usageExitCode;
}

await main();
