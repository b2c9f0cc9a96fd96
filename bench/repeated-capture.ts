import { CaptureEventLog } from '../eventlog/capture.ts';
import { CaptureWriter } from '../eventlog/capture-writer.ts';
import type { LogRecord } from '../eventlog/event-log.ts';
import type { RawEventBatch } from '../schemas/generated.ts';
import { joinBatches } from './captures/join-batches.ts';

/** Between the end of one repetition and the beginning of the next. */
const pauseNs = 1_000_000_000n;
/** A collector's batch is full with so many. */
const eventsPerBatch = 1000;

/**
 * The events of a capture of one node's session again and again, each time later in that session: of other processes, which
 * start later, with sequence numbers that go on. They come in full batches, as of a node that is as fast as they are read. Ends
 * with the repetition in which `events` are reached.
 */
export async function* repeatedBatches(file: string, events: number): AsyncGenerator<RawEventBatch> {
  const recorded = await readBatches(file);
  const stride = strideOf(recorded);
  const rounds = Math.max(1, Math.floor(eventsPerBatch / stride.events));
  const full = joinBatches(
    Array.from({ length: rounds }, (_, round) => recorded.map((batch) => later(batch, stride, round))).flat(),
  );
  const fullStride = strideOf(full);
  for (let round = 0; round * fullStride.events < events; round++) {
    for (const batch of full) yield later(batch, fullStride, round);
  }
}

async function readBatches(file: string): Promise<readonly RawEventBatch[]> {
  const batches: RawEventBatch[] = [];
  await using capture = await CaptureEventLog.open(file);
  const { signal } = new AbortController();
  for await (const record of capture.read({ topics: ['raw-events'], from: 'start', follow: false, signal })) {
    if (record.topic === 'raw-events' && record.value !== undefined) batches.push(record.value);
  }
  return batches;
}

/** By how much a repetition comes later. */
interface Stride {
  readonly events: number;
  readonly batches: number;
  readonly timeNs: bigint;
  /** By CPU. */
  readonly sequences: ReadonlyMap<number, number>;
}

function strideOf(batches: readonly RawEventBatch[]): Stride {
  const sequences = new Map<number, number>();
  let events = 0;
  let [firstNs, lastNs] = [batches[0]?.baseTimeNs ?? 0n, 0n];
  for (const batch of batches) {
    events += batch.events.length;
    for (const { cpu, sequence, timeNs } of batch.events) {
      sequences.set(cpu, Math.max(sequence, sequences.get(cpu) ?? 0));
      const eventNs = batch.baseTimeNs + BigInt(timeNs);
      if (eventNs > lastNs) lastNs = eventNs;
    }
    if (batch.baseTimeNs < firstNs) firstNs = batch.baseTimeNs;
  }
  if (events === 0) throw new Error('a capture without events cannot be repeated');
  return { events, batches: batches.length, timeNs: lastNs - firstNs + pauseNs, sequences };
}

function later(batch: RawEventBatch, stride: Stride, round: number): RawEventBatch {
  if (round === 0) return batch;
  const byNs = stride.timeNs * BigInt(round);
  const by = (cpu: number): number => (stride.sequences.get(cpu) ?? 0) * round;
  return {
    ...batch,
    batch: batch.batch + stride.batches * round,
    baseTimeNs: batch.baseTimeNs + byNs,
    processes: batch.processes.map((process) => ({
      ...process,
      startTimeNs: process.startTimeNs + byNs,
      parentStartTimeNs: process.parentStartTimeNs + byNs,
    })),
    events: batch.events.map((event) => ({ ...event, sequence: event.sequence + by(event.cpu) })),
    sequences: batch.sequences.map((span) => ({
      ...span,
      first: span.first + by(span.cpu),
      last: span.last + by(span.cpu),
    })),
  };
}

/** Writes them as a capture; returns how many events it has. */
export async function writeRepeatedCapture(from: string, to: string, events: number): Promise<number> {
  await using writer = await CaptureWriter.create(to);
  let written = 0;
  let offset = 0;
  for await (const value of repeatedBatches(from, events)) {
    written += value.events.length;
    await writer.write(rawRecord(value, offset++));
  }
  return written;
}

/** As a log has it. */
export function rawRecord(value: RawEventBatch, offset: number): LogRecord {
  const { nodeId: key } = value;
  return { topic: 'raw-events', partition: 0, offset, key, value, timestampMs: 0, tablePositions: {} };
}
