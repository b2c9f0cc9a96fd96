import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { pipeline } from '../cli/roles.ts';
import { EventDecoder } from '../collector/event-decoder.ts';
import { eventOperation } from '../collector/event-layout.ts';
import { RawBatchEncoder } from '../collector/raw-batch.ts';
import { stateSlots } from '../enricher/node-state.ts';
import { EmbeddedEventLog } from '../eventlog/embedded.ts';
import type { EventLog } from '../eventlog/event-log.ts';
import { runStages } from '../eventlog/runner.ts';
import type { ProcessorStage } from '../eventlog/stage.ts';
import { createLogger } from '../runtime/logger.ts';
import { Metrics } from '../runtime/metrics.ts';
import { avroTypeOf } from '../schemas/avro-types.ts';
import type { RawEventBatch } from '../schemas/generated.ts';
import type { Benchmark, Measurements } from './benchmark.ts';
import { kernelBlock, kernelEvent } from './event-bytes.ts';

const nodes = 30;
const processesPerNode = 5000;
const processesPerBatch = 250;
/** A server has some hundred programs, most of them run by many processes, each with arguments of its own. */
const programs = 200;
const session = 10n ** 12n;
const drainMs = 300_000;

/**
 * Batches of a node whose processes each run a program, then as many without events as write out every share of the state, and
 * one to go on with.
 */
function batchesOf(node: number): readonly RawEventBatch[] {
  const decoder = new EventDecoder(() => undefined);
  const encoder = new RawBatchEncoder();
  const type = avroTypeOf('raw-events');
  const filled = processesPerNode / processesPerBatch;
  return Array.from({ length: filled + stateSlots + 1 }, (_, place) => {
    const count = place < filled ? processesPerBatch : 0;
    const events = Array.from({ length: count }, (_event, index) => execOf(1 + place * processesPerBatch + index));
    if (count > 0) decoder.add(kernelBlock(events), 0, { events: count, bytes: Number.MAX_SAFE_INTEGER });
    const header = {
      nodeId: `node-${node}`,
      bootId: `boot-${node}`,
      session,
      batch: place + 1,
      wallClockOffsetNs: 0n,
      containers: [],
      counters: [],
      helperFailures: [],
      gaps: [],
      sessionEnded: false,
    };
    return type.decode(encoder.encode(header, decoder));
  });
}

/** A tree: every process has three children. */
function execOf(pid: number): Uint8Array {
  const parent = pid === 1 ? 0 : Math.ceil((pid - 1) / 3);
  const program = (of: number): Uint8Array => Buffer.from(`/usr/lib/application-${of % programs}/bin/server`);
  return kernelEvent({
    numbers: {
      operation: eventOperation.exec,
      timeNs: session + BigInt(pid),
      sequence: pid,
      hostTgid: pid,
      hostTid: pid,
      hostPpid: parent,
      tgid: pid,
      startTimeNs: BigInt(pid) * 1000n,
      parentStartTimeNs: BigInt(parent) * 1000n,
      syscall: 59,
    },
    strings: {
      comm: Buffer.from('server'),
      executable: program(pid),
      parentExecutable: program(parent),
      path: program(pid),
      arguments: Buffer.from(`server-${pid % programs}\0--listen\0:${pid}\0--data\0/srv/data/${pid}\0`),
    },
  });
}

/** Runs `stage` on `log` until what is there by now is done. */
async function drain(log: EventLog, stage: ProcessorStage): Promise<void> {
  const logger = createLogger({ level: 'warn', destination: process.stderr, pretty: false });
  await runStages([stage], log, { logger, metrics: new Metrics(), drainMs }, AbortSignal.abort());
}

/** A log in which a pipeline has left the state of all nodes, opened anew, with one more batch of each. */
async function afterRestart(measure: (log: EventLog) => Promise<Measurements>): Promise<Measurements> {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'palisade-bench-'));
  try {
    {
      await using log = await EmbeddedEventLog.open({ directory });
      const next: RawEventBatch[] = [];
      for (let node = 0; node < nodes; node++) {
        const batches = batchesOf(node);
        await appendAll(log, batches.slice(0, -1));
        next.push(...batches.slice(-1));
      }
      await drain(log, pipeline());
      await appendAll(log, next);
    }
    await using log = await EmbeddedEventLog.open({ directory });
    return await measure(log);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function appendAll(log: EventLog, batches: readonly RawEventBatch[]): Promise<void> {
  await log.append(batches.map((value) => ({ topic: 'raw-events', key: value.nodeId, value })));
}

/** From the start of a pipeline until the first batch of every node is committed. */
function restored(): Promise<Measurements> {
  return afterRestart(async (log) => {
    const start = performance.now();
    await drain(log, pipeline());
    return { ms: performance.now() - start };
  });
}

/** The same records read and decoded, and nothing made of them. */
function onlyRead(): Promise<Measurements> {
  return afterRestart(async (log) => {
    const start = performance.now();
    const { records } = await log.table('enricher-state');
    let processes = 0;
    for (const { topic, value } of records) if (topic === 'enricher-state') processes += value?.processes.length ?? 0;
    const ms = performance.now() - start;
    // Those of the last records' changes come again: never fewer.
    if (processes < nodes * processesPerNode) throw new Error(`the state has only ${processes} processes`);
    return { ms };
  });
}

/** How long a restart takes that finds the state of a full-size installation. */
export const restore: Benchmark = {
  trials: 3,
  variants: { restored, onlyRead },
  figures: (results) => [
    {
      figure: `${nodes} nodes of ${processesPerNode} processes`,
      unit: 'ms',
      values: results('restored', 'ms'),
      baseline: results('onlyRead', 'ms'),
    },
  ],
};
