import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { removePins } from '../cli/pins.ts';
import { decidingHierarchy } from '../collector/cgroup-hierarchy.ts';
import { collectorThread } from '../collector/collector-thread.ts';
import { EmbeddedEventLog } from '../eventlog/embedded.ts';
import { openMonitor, type Monitor, type MonitorOptions } from '../native/monitor.ts';
import { createLogger } from '../runtime/logger.ts';
import type { RawEventBatch } from '../schemas/generated.ts';

/** What the kernel counted, and what came of it. */
export interface Consumed {
  /** Handed over by the kernel, in all operations. */
  readonly submitted: number;
  readonly dropped: number;
}

/** Something that watches this kernel, in this process; gone with its pins and data when disposed of. */
export interface RingConsumer extends AsyncDisposable {
  /** The monitor's pins. */
  readonly sessionDirectory: string;
  /** Detaches the monitor, and resolves when nothing is in its ring any more. */
  drain(): Promise<void>;
  /** After `drain`: what came of it. */
  consumed(): Promise<Consumed>;
}

/** A data directory, and a folder of pins. */
class Place implements AsyncDisposable {
  readonly folder: string;
  readonly pins: string;

  private constructor(folder: string) {
    this.folder = folder;
    this.pins = path.join('/sys/fs/bpf', path.basename(folder));
  }

  static async make(): Promise<Place> {
    return new Place(await mkdtemp(path.join(os.tmpdir(), 'palisade-bench-')));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (existsSync(this.pins)) await removePins(this.pins);
    await rm(this.folder, { recursive: true, force: true });
  }
}

function sessionDirectoryIn(pins: string): string {
  const name = readdirSync(pins).find((entry) => entry.startsWith('session-'));
  if (name === undefined) throw new Error(`${pins} has no session`);
  return path.join(pins, name);
}

/** The collector and the log as `palisade up` has them, and nothing behind. Resolves when it watches. */
export async function startAppending(ringBytes: number): Promise<RingConsumer> {
  await using made = new AsyncDisposableStack();
  const place = made.use(await Place.make());
  const logger = createLogger({ level: 'warn', destination: process.stderr, pretty: false });
  const log = made.use(await EmbeddedEventLog.open({ directory: path.join(place.folder, 'log') }));
  const stop = new AbortController();
  const dataDirectory = path.join(place.folder, 'collector');
  const running = collectorThread(
    { nodeId: 'bench', dataDirectory, pinDirectory: place.pins, ringBytes },
    { createAppendPort: () => log.createAppendPort(), logger },
  ).run(log, stop.signal);
  const drain = async (): Promise<void> => {
    stop.abort();
    await running;
  };
  made.defer(drain);
  if ((await Promise.race([firstBatch(log), running])) === undefined)
    throw new Error('the collector ended before it watched');
  const whole = made.move();
  return {
    sessionDirectory: sessionDirectoryIn(place.pins),
    drain,
    consumed: () => consumedIn(log),
    [Symbol.asyncDispose]: () => whole.disposeAsync(),
  };
}

async function firstBatch(log: EmbeddedEventLog): Promise<RawEventBatch | undefined> {
  const { signal } = new AbortController();
  for await (const record of log.read({ topics: ['raw-events'], from: 'start', follow: true, signal }))
    if (record.topic === 'raw-events') return record.value;
  return undefined;
}

/** Throws where the log does not hold what the kernel handed over: then nothing that was measured counts. */
async function consumedIn(log: EmbeddedEventLog): Promise<Consumed> {
  let appended = 0;
  let last: RawEventBatch | undefined;
  const { signal } = new AbortController();
  for await (const record of log.read({ topics: ['raw-events'], from: 'start', follow: false, signal })) {
    if (record.topic !== 'raw-events' || record.value === undefined) continue;
    last = record.value;
    appended += last.events.filter(({ cpu }) => cpu >= 0).length;
  }
  const sum = (figure: 'submitted' | 'dropped'): number =>
    last?.counters.reduce(
      (total, { operation, [figure]: count }) => total + (operation === 'existing' ? 0 : count),
      0,
    ) ?? 0;
  const submitted = sum('submitted');
  if (last?.sessionEnded !== true || submitted !== appended)
    throw new Error(`${appended} events were appended of ${submitted} that the kernel handed over`);
  return { submitted, dropped: sum('dropped') };
}

/** Only takes blocks out of the ring and gives their room back: what the ring itself allows. */
export async function startCounting(
  options: Pick<MonitorOptions, 'ringBytes' | 'operationsOff'>,
): Promise<RingConsumer> {
  await using made = new AsyncDisposableStack();
  const place = made.use(await Place.make());
  const monitor = made.use(
    openMonitor({ ...options, pinDirectory: place.pins, hierarchy: decidingHierarchy().deciding }),
  );
  const reading = readAll(monitor);
  const drain = async (): Promise<void> => {
    monitor.detach();
    await reading;
  };
  made.defer(drain);
  const whole = made.move();
  const sum = (counts: Float64Array): number => counts.reduce((total, count) => total + count, 0);
  return {
    sessionDirectory: sessionDirectoryIn(place.pins),
    drain,
    consumed() {
      const { submitted, dropped } = monitor.statistics();
      return Promise.resolve({ submitted: sum(submitted), dropped: sum(dropped) });
    },
    [Symbol.asyncDispose]: () => whole.disposeAsync(),
  };
}

async function readAll(monitor: Monitor): Promise<void> {
  for await (const block of monitor.blocks(new AbortController().signal)) block.release();
}
