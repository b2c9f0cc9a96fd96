import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { promisify } from 'node:util';
import type { Benchmark, Measurements } from './benchmark.ts';
import { seededPaths } from './paths.ts';
import { startAppending, startCounting, type Consumed, type RingConsumer } from './ring-consumer.ts';

const run = promisify(execFile);
const root = path.dirname(path.dirname(import.meta.dirname));
/** The load has one core, and what reads the ring another: all of it, the log's writer too. */
const loadCpu = 0;
const consumerCpu = 1;
/**
 * `ringSize` as one would set it for such rates: what is read stays in the ring until it is appended, and an append takes up to a
 * quarter of a second while the log folds in its WAL and syncs. With 32 MiB some are dropped at two thirds of the rate.
 */
const ringBytes = 128 << 20;
/** How long the load runs flat out, to learn where to look, and then at each rate that is tried. */
const floodSeconds = 2;
const rateSeconds = 4;
/** Rates that are tried, as shares of what was kept of a flood, until nothing is dropped. */
const shares = [1, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.6, 0.5, 0.4, 0.3];

interface Loaded {
  readonly acts: number;
  readonly seconds: number;
}

/** A load, and how it is started. `rate` in acts a second, 0: as many as it can. */
interface Load extends AsyncDisposable {
  run(options: {
    readonly rate: number;
    readonly seconds: number;
    readonly sessionDirectory?: string;
  }): Promise<Loaded>;
}

/** Events of the test program: nothing but the ring limits it. */
async function ringLoad(): Promise<Load> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'palisade-load-'));
  const program = path.join(folder, 'ring-load');
  const object = path.join(folder, 'ring-load.bpf.o');
  const paths = path.join(folder, 'paths');
  const source = (name: string): string => path.join(root, 'bench/programs', name);
  const bpf = ['-g', '-O2', '-target', 'bpf', '-D__TARGET_ARCH_x86', '-mcpu=v3', `-I${path.join(root, 'bpf')}`];
  await run('clang', [...bpf, '-c', source('ring-load.bpf.c'), '-o', object]);
  await run('cc', ['-O2', '-o', program, source('ring-load.c'), '-lbpf']);
  await writeFile(paths, `${seededPaths().join('\n')}\n`);
  return {
    run: ({ rate, seconds, sessionDirectory = '' }) =>
      loaded(program, [object, sessionDirectory, paths, rate, seconds, loadCpu]),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

/** Real opens of real files of the same names. */
async function openLoad(): Promise<Load> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'palisade-load-'));
  const program = path.join(folder, 'open-load');
  await run('cc', ['-O2', '-o', program, path.join(root, 'bench/programs/open-load.c')]);
  const files = seededPaths().map((name) => path.join(folder, name));
  for (const file of files) {
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, '');
  }
  const paths = path.join(folder, 'paths');
  await writeFile(paths, `${files.join('\n')}\n`);
  return {
    run: ({ rate, seconds }) => loaded(program, [paths, rate, seconds, loadCpu]),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

async function loaded(program: string, values: readonly (string | number)[]): Promise<Loaded> {
  const { stdout } = await run(program, values.map(String));
  return JSON.parse(stdout) as Loaded;
}

interface Attempt extends Consumed {
  /** Acts a second that the load made. */
  readonly rate: number;
  readonly keptRate: number;
  /** Of this process, from the load's start until everything is appended, for one event. */
  readonly cpuNs: number;
}

async function attempt(
  load: Load,
  start: () => Promise<RingConsumer>,
  rate: number,
  seconds: number,
): Promise<Attempt> {
  await using consumer = await start();
  const before = process.cpuUsage();
  const { acts, seconds: took } = await load.run({ rate, seconds, sessionDirectory: consumer.sessionDirectory });
  await consumer.drain();
  const { user, system } = process.cpuUsage(before);
  const consumed = await consumer.consumed();
  return {
    ...consumed,
    rate: acts / took,
    keptRate: consumed.submitted / took,
    cpuNs: ((user + system) * 1000) / consumed.submitted,
  };
}

/** The highest of the rates tried at which the kernel dropped nothing. */
async function lossless(load: Load, start: () => Promise<RingConsumer>): Promise<Measurements> {
  await run('taskset', ['--all-tasks', '--cpu-list', '--pid', String(consumerCpu), String(process.pid)]);
  const flood = await attempt(load, start, 0, floodSeconds);
  // A load that is slower than what reads it is the limit: nothing is to be searched for.
  if (flood.dropped === 0) return { rate: flood.rate, cpuNs: flood.cpuNs, offered: flood.rate };
  for (const share of shares) {
    const tried = await attempt(load, start, Math.round(flood.keptRate * share), rateSeconds);
    process.stderr.write(
      `  ${Math.round(tried.rate / 1000)} k/s: ${tried.dropped} dropped, ${Math.round(tried.cpuNs)} ns of CPU an event\n`,
    );
    if (tried.dropped === 0) return { rate: tried.rate, cpuNs: tried.cpuNs, offered: flood.rate };
  }
  throw new Error(`even at ${Math.round(flood.keptRate * (shares.at(-1) ?? 0))} events a second some are dropped`);
}

async function unwatched(): Promise<Measurements> {
  await using load = await openLoad();
  const { acts, seconds } = await load.run({ rate: 0, seconds: rateSeconds });
  return { rate: acts / seconds };
}

function missing(): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root';
  if (os.availableParallelism() < 2) return 'needs two cores: one for the load, one for what reads the ring';
  const tools = ['clang', 'cc', 'taskset'].filter((tool) => !existsSync(`/usr/bin/${tool}`));
  return tools.length > 0 ? `needs ${tools.join(', ')}` : undefined;
}

/** How many events a second come through, with one core for everything from the ring to the log. */
export const ring: Benchmark = {
  trials: 3,
  missing,
  variants: {
    async events() {
      await using load = await ringLoad();
      return await lossless(load, () => startAppending(ringBytes));
    },
    async 'events, only counted'() {
      await using load = await ringLoad();
      return await lossless(load, () => startCounting({ ringBytes }));
    },
    async opens() {
      await using load = await openLoad();
      return await lossless(load, () => startAppending(ringBytes));
    },
    'opens, unwatched': unwatched,
  },
  figures: (results) => [
    {
      figure: 'events from the ring into the log, without loss',
      unit: 'events/s',
      values: results('events', 'rate'),
      baseline: results('events, only counted', 'rate'),
    },
    {
      figure: 'CPU of reading and appending',
      unit: 'ns/event',
      values: results('events', 'cpuNs'),
      baseline: results('events, only counted', 'cpuNs'),
    },
    {
      figure: 'real opens into the log, without loss',
      unit: 'opens/s',
      values: results('opens', 'rate'),
      baseline: results('opens, unwatched', 'rate'),
    },
    {
      figure: 'CPU of reading and appending real opens',
      unit: 'ns/event',
      values: results('opens', 'cpuNs'),
      baseline: null,
    },
  ],
};
