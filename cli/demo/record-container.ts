import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';
import { EmbeddedEventLog } from '../../eventlog/embedded.ts';
import { EventLogError } from '../../eventlog/errors.ts';
import type { RawEventBatch } from '../../schemas/generated.ts';
import { dataLayout } from '../data-directory.ts';
import { packageRoot } from '../package-root.ts';
import { excerptOfContainer } from './excerpt.ts';
import { readRecording } from './recording.ts';

/** Room for a moment in which the recorder gets no share of a busy machine. */
const ringSize = '64MiB';
/** Between two looks whether the monitor watches. */
const lookEveryMs = 100;
/** The monitor loads in under a second; a machine that needs longer than this will not do. */
const watchingTimeoutMs = 60_000;

/**
 * Plays something in a container while `palisade record` watches this kernel, with a data directory and pins of its own, and
 * returns what the container did. Throws where the kernel dropped anything, for then the excerpt might lack it.
 */
export async function recordContainer(containerId: string, play: () => Promise<unknown>): Promise<RawEventBatch[]> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'palisade-recording-'));
  try {
    const file = path.join(folder, 'all.avro');
    await recordWhile({ folder, file }, play);
    const batches: RawEventBatch[] = [];
    for await (const batch of readRecording(file)) batches.push(batch);
    const lost = lossOf(batches);
    if (lost !== undefined) throw new Error(`the recording is not complete (${lost}): record on a quieter machine`);
    const excerpt = excerptOfContainer(batches, containerId);
    if (excerpt.length === 0) throw new Error(`the kernel told nothing of a container ${containerId}`);
    return [...excerpt];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function recordWhile(
  { folder, file }: { readonly folder: string; readonly file: string },
  play: () => Promise<unknown>,
): Promise<void> {
  const main = path.join(packageRoot(), 'dist/cli/main.js');
  const pins = path.join('/sys/fs/bpf', path.basename(folder));
  const settings = ['--data-directory', folder, '--pin-directory', pins, '--ring-size', ringSize];
  const recorder = spawn(
    process.execPath,
    [main, 'record', '--output', file, '--node-id', 'recorded-node', ...settings],
    {
      stdio: ['ignore', 'inherit', 'inherit'],
    },
  );
  const ended = once(recorder, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
  try {
    await untilItWatches(folder, () => recorder.exitCode === null && recorder.signalCode === null);
    await play();
  } finally {
    // It drains the ring before it ends.
    recorder.kill('SIGINT');
    const [code, signal] = await ended;
    if (code !== 0) throw new Error(`palisade record ended with ${signal ?? String(code)}`);
  }
}

/**
 * Waits until the `palisade record` with this data directory watches: the first batch of a session is appended once the hooks are
 * in place. Throws where it does not, or has ended.
 */
export async function untilItWatches(dataDirectory: string, isRunning: () => boolean): Promise<void> {
  const directory = path.join(dataLayout(dataDirectory).recording, 'log');
  const untilMs = performance.now() + watchingTimeoutMs;
  let cause: unknown;
  while (isRunning() && performance.now() < untilMs) {
    try {
      if (await hasRawEvents(directory)) return;
    } catch (error) {
      // It is being made just now.
      if (!(error instanceof EventLogError)) throw error;
      cause = error;
    }
    await delay(lookEveryMs);
  }
  throw new Error('palisade record does not watch this kernel', { cause });
}

async function hasRawEvents(directory: string): Promise<boolean> {
  await using log = EmbeddedEventLog.openReadOnly({ directory });
  const { signal } = new AbortController();
  const records = log.read({ topics: ['raw-events'], from: 'start', follow: false, signal });
  return (await records[Symbol.asyncIterator]().next()).done !== true;
}

/** What the batches of a whole session say is missing, in words; `undefined`: nothing. */
function lossOf(batches: readonly RawEventBatch[]): string | undefined {
  const last = batches.at(-1);
  if (last?.sessionEnded !== true) return 'its session has no end';
  const gaps = batches.flatMap((batch) => batch.gaps);
  if (gaps.length > 0) return gaps.map(({ reason }) => reason).join(', ');
  const dropped = last.counters.reduce((sum, counter) => sum + counter.dropped, 0);
  return dropped > 0 ? `${dropped} events were dropped` : undefined;
}
