/**
 * `npm run chaos -- [--seed N] [--kills K] [--json]`: kills the stages' process and the engine's at K moments that a seed
 * chooses, and shows that nothing is lost and nothing doubled. README.md says how.
 */
import process from 'node:process';
import { exitCodes, type ExitCode } from '../../cli/exit-codes.ts';
import { StopSignals } from '../../cli/stop-signals.ts';
import { chaosRun } from './chaos-run.ts';
import type { Kill } from './kills.ts';
import { chaosOptions, UsageError } from './options.ts';

/** Kills between two lines of progress. */
const progressEvery = 10;

async function main(): Promise<ExitCode> {
  const { seed, kills, json } = chaosOptions(process.argv.slice(2), () => Math.floor(Math.random() * 2 ** 32));
  using signals = new StopSignals(() => undefined);
  const startedMs = performance.now();
  const step = (text: string): void => {
    process.stderr.write(`${((performance.now() - startedMs) / 1000).toFixed(1).padStart(7)} s  ${text}\n`);
  };
  step(`seed ${seed}`);
  let between = 0;
  try {
    const { expected, stored, lost, doubled, problems } = await chaosRun({
      seed,
      kills,
      onKill: (kill) => {
        if (kill.waiting > 0) between += 1;
        process.stdout.write(json ? `${JSON.stringify(kill)}\n` : `${sentenceOf(kill)}\n`);
        if (kill.kill % progressEvery !== 0 && kill.kill !== kills) return;
        step(`${kill.kill} of ${kills} kills, ${between} of them between a publish and its insert`);
      },
      onStep: step,
      signal: signals.signal,
    });
    for (const problem of problems) process.stderr.write(`chaos: ${problem} (seed ${seed})\n`);
    process.stdout.write(`${JSON.stringify({ seed, kills, expected, stored, lost, doubled })}\n`);
    return problems.length === 0 ? exitCodes.done : exitCodes.failed;
  } catch (error) {
    if (!signals.signal.aborted) throw error;
    process.stderr.write('chaos: stopped\n');
    return exitCodes.interrupted;
  }
}

function sentenceOf(kill: Kill): string {
  const { inserting } = kill;
  const insert = inserting === null ? '' : `, ${inserting[1] - inserting[0] + 1} being inserted`;
  return (
    `kill ${kill.kill}: the ${kill.target === 'stages' ? "stages' process" : "engine's process"}, ${kill.records} records and ` +
    `${kill.delayMs} ms after the last one: ${kill.judged} of ${kill.appended} records judged, ${kill.published} alerts published, ` +
    `${kill.stored} stored${insert}, ${kill.waiting} between publish and insert`
  );
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`chaos: ${error.message}\n`);
  process.exitCode = exitCodes.usage;
}
