/**
 * Opens the monitor in a worker, lets it read and ends the worker in the midst of that, again and again. Arguments: pin directory,
 * number of rounds, seed. Prints one line of JSON: RoundsReport. Runs from a tree whose addon the sanitizers watch.
 */
import { readFileSync } from 'node:fs';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { openMonitor } from '../../native/monitor.ts';
import { seededRandom } from '../support/seeded-random.ts';
import { testHierarchy } from '../support/kernel-capture.ts';

/** What the rounds came to. */
export interface RoundsReport {
  readonly rounds: number;
  /** Workers that had read blocks when they were ended. */
  readonly ended: number;
  /** Workers that were ended while they opened the monitor. */
  readonly endedOpening: number;
  readonly blocks: number;
  /** Sessions that the last monitor found undrained. */
  readonly predecessors: number;
}

/** The smallest ring of `up`: it fills, and blocks end at its edge. */
const ringBytes = 1 << 20;
/** One round in so many ends the worker while it opens the monitor. */
const openingEvery = 8;
/** Longest that a worker reads before it is ended. */
const readingMsMax = 60;

function open(directory: string): ReturnType<typeof openMonitor> {
  return openMonitor({ pinDirectory: directory, ringBytes, hierarchy: testHierarchy() });
}

/** In a worker: reads and gives back every other block, so that the end finds some held. */
async function read(directory: string): Promise<void> {
  const monitor = open(directory);
  let count = 0;
  for await (const block of monitor.blocks(new AbortController().signal)) {
    count += 1;
    parentPort?.postMessage(count);
    if (count % 2 === 0) block.release();
    monitor.statistics();
    monitor.helperFailures();
    if (count % 16 === 0) monitor.scanProcesses();
  }
}

/** This process is not registered: its own acts are told. */
function act(times: number): void {
  for (let turn = 0; turn < times; turn++) readFileSync('/etc/hostname');
}

async function main(directory: string, rounds: number, seed: number): Promise<RoundsReport> {
  const random = seededRandom(seed);
  // Loaded here, the addon stays loaded when a worker ends, and its frames can be told in the reports.
  await open(directory).close();
  let [ended, endedOpening, blocks] = [0, 0, 0];
  for (let round = 1; round <= rounds; round++) {
    const worker = new Worker(import.meta.filename, { workerData: directory });
    const failed = new Promise<never>((_, reject) => worker.once('error', reject));
    failed.catch(() => undefined);
    if (round % openingEvery === 0) {
      await Promise.race([new Promise((resolve) => worker.once('online', resolve)), failed]);
      await Promise.race([sleep(random() * 2 * readingMsMax), failed]);
    } else {
      let seen = 0;
      worker.on('message', () => (seen += 1));
      while (seen === 0) {
        act(50);
        await Promise.race([sleep(2), failed]);
      }
      const until = performance.now() + random() * readingMsMax;
      while (performance.now() < until) {
        act(20);
        await Promise.race([sleep(1), failed]);
      }
      blocks += seen;
    }
    await worker.terminate();
    if (round % openingEvery === 0) endedOpening += 1;
    else ended += 1;
  }
  const monitor = open(directory);
  const predecessors = monitor.predecessors.length;
  monitor.detach();
  for await (const block of monitor.blocks(new AbortController().signal)) block.release();
  for (const { session } of monitor.predecessors) monitor.finishPredecessor(session);
  await monitor.close();
  return { rounds, ended, endedOpening, blocks, predecessors };
}

if (isMainThread) {
  const [, , directory = '', rounds = '', seed = ''] = process.argv;
  process.stdout.write(`${JSON.stringify(await main(directory, Number(rounds), Number(seed)))}\n`);
} else {
  await read(workerData as string);
}
