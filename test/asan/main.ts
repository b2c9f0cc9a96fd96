/**
 * `npm run test:asan -- [--rounds N] [--seed S]`: the addon under AddressSanitizer, UBSan and LeakSanitizer. First that they find
 * what was planted, then N rounds (default 1,000) of opening the monitor, reading, and ending the worker in the midst of it.
 */
import { rmSync } from 'node:fs';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { whyNoKernelTests } from '../support/kernel-capture.ts';
import { buildWatchedMonitor, whyNoSanitizers } from './build.ts';
import { findPlanted } from './planted.ts';
import type { RoundsReport } from './rounds.ts';
import { runWatched } from './watched-run.ts';
import { WatchedTree } from './watched-tree.ts';

/** Nearly all of a round is waiting for the kernel to load programs and to take them away, and that goes on side by side. */
const processes = 8;

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '1000' }, seed: { type: 'string', default: '1' } },
});
const [rounds, seed] = [Number(values.rounds), Number(values.seed)];
const missing = whyNoSanitizers() ?? whyNoKernelTests();
if (!(Number.isSafeInteger(rounds) && rounds > 0 && Number.isSafeInteger(seed))) {
  process.stderr.write('--rounds is a whole number from 1 on, --seed a whole number.\n');
  process.exitCode = 64;
} else if (missing === undefined) await main();
else {
  process.stderr.write(`test:asan ${missing}\n`);
  process.exitCode = 69;
}

async function main(): Promise<void> {
  await findPlanted();
  process.stdout.write('planted: the leak, the read behind the end and the overflow are found\n');
  using tree = new WatchedTree(await buildWatchedMonitor());
  const startedMs = performance.now();
  const shares = Array.from({ length: processes }, (_, place) => Math.floor((rounds + place) / processes)).filter(
    (share) => share > 0,
  );
  const runs = await Promise.all(
    shares.map(async (share, place) => {
      const pins = `/sys/fs/bpf/palisade-asan-${process.pid}-${place}`;
      try {
        return await runWatched([tree.program('test/asan/rounds.js'), pins, String(share), String(seed + place)]);
      } finally {
        rmSync(pins, { recursive: true, force: true });
      }
    }),
  );
  const sums = { ended: 0, endedOpening: 0, blocks: 0, errors: 0, leaks: 0, foreignLeaks: 0 };
  for (const run of runs) {
    for (const report of [...run.errors, ...run.leaks]) process.stdout.write(`${report}\n`);
    sums.errors += run.errors.length;
    sums.leaks += run.leaks.length;
    sums.foreignLeaks += run.foreignLeaks;
    if (run.code !== 0) {
      process.stdout.write(`a process ended with ${run.signal ?? String(run.code)}: ${run.output}\n${run.lastWords}\n`);
      process.exitCode = 1;
      continue;
    }
    const { ended, endedOpening, blocks } = JSON.parse(run.output) as RoundsReport;
    sums.ended += ended;
    sums.endedOpening += endedOpening;
    sums.blocks += blocks;
  }
  if (sums.errors + sums.leaks > 0) process.exitCode = 1;
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(0);
  process.stdout.write(
    `${sums.ended + sums.endedOpening} rounds in ${seconds} s: ${sums.ended} workers ended while they read ` +
      `(${sums.blocks} blocks), ${sums.endedOpening} while they opened\n` +
      `${sums.errors} errors, ${sums.leaks} leaks of ours, ${sums.foreignLeaks} of Node's\n`,
  );
}
