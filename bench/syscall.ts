import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { promisify } from 'node:util';
import { monitorOperations, type MonitorOperation } from '../native/monitor.ts';
import type { Benchmark, Measurements } from './benchmark.ts';
import { startCounting } from './ring-consumer.ts';

const run = promisify(execFile);
const root = path.dirname(path.dirname(import.meta.dirname));
/** The calls have one core, what reads the ring another. */
const callingCpu = 0;
const readingCpu = 1;
/** `palisade up`'s default. Larger ones are slower, for they do not stay in the processor's caches. */
const ringBytes = 8 << 20;

/** By name: how many slices of how many calls. Together they fit into the ring, so that a late reader makes no call cheaper. */
const calls = {
  open: { slices: 200, calls: 50 },
  exec: { slices: 100, calls: 4 },
  connect: { slices: 200, calls: 50 },
  unlink: { slices: 200, calls: 50 },
  socket: { slices: 200, calls: 50 },
} as const;
const names = Object.keys(calls) as (keyof typeof calls)[];

/** Nanoseconds a call, by name; before each the monitor is loaded anew by `watch`, whose result is disposed of afterwards. */
async function costs(watch: () => Promise<Watching | undefined>): Promise<Measurements> {
  await run('taskset', ['--all-tasks', '--cpu-list', '--pid', String(readingCpu), String(process.pid)]);
  const folder = await mkdtemp(path.join(os.tmpdir(), 'palisade-load-'));
  try {
    const program = path.join(folder, 'syscall-cost');
    await run('cc', ['-O2', '-static', '-o', program, path.join(root, 'bench/programs/syscall-cost.c')]);
    const measured: Record<string, number> = { dropped: 0 };
    for (const name of names) {
      const files = path.join(folder, name);
      await mkdir(files);
      await using watching = await watch();
      const { slices, calls: callsPerSlice } = calls[name];
      const { stdout } = await run(program, [name, slices, callsPerSlice, files, callingCpu].map(String));
      measured[name] = Number(stdout);
      measured['dropped'] = (measured['dropped'] ?? 0) + ((await watching?.dropped()) ?? 0);
    }
    return measured;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

interface Watching extends AsyncDisposable {
  /** Ends the watching. */
  dropped(): Promise<number>;
}

async function watched(operationsOff: readonly MonitorOperation[]): Promise<Watching> {
  const consumer = await startCounting({ ringBytes, operationsOff });
  return {
    async dropped() {
      await consumer.drain();
      return (await consumer.consumed()).dropped;
    },
    [Symbol.asyncDispose]: () => consumer[Symbol.asyncDispose](),
  };
}

function missing(): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root';
  if (os.availableParallelism() < 2) return 'needs two cores: one for the calls, one for what reads the ring';
  const tools = ['cc', 'taskset'].filter((tool) => !existsSync(`/usr/bin/${tool}`));
  return tools.length > 0 ? `needs ${tools.join(', ')}` : undefined;
}

/** What a watched system call costs its caller. */
export const syscall: Benchmark = {
  trials: 5,
  missing,
  variants: {
    off: () => costs(() => Promise.resolve(undefined)),
    filtered: () => costs(() => watched(monitorOperations)),
    on: () => costs(() => watched([])),
  },
  figures: (results) => [
    ...names.flatMap((name) =>
      (['filtered', 'on'] as const).map((variant) => ({
        figure: `${name}, ${variant === 'on' ? 'told' : 'left out'}`,
        unit: 'ns',
        values: results(variant, name),
        baseline: results('off', name),
      })),
    ),
    // A dropped event costs less than one that is kept: where this is not 0, what is told looks cheaper than it is.
    { figure: 'events dropped', unit: 'events', values: results('on', 'dropped'), baseline: null },
  ],
};
