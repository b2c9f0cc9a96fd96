import { CaptureEventLog } from '../eventlog/capture.ts';
import { CaptureWriter } from '../eventlog/capture-writer.ts';
import type { LogRecord } from '../eventlog/event-log.ts';
import type { RawEventBatch } from '../schemas/generated.ts';

/** Between the end of one repetition and the beginning of the next. */
const pauseNs = 1_000_000_000n;

/**
 * The raw batches of a capture again and again, each time as a later session of the same nodes with other processes: times of
 * events and of processes are moved. One that is long enough comes once. Ends with the repetition in which `events` are reached.
 */
export async function* repeatedBatches(file: string, events: number): AsyncGenerator<RawEventBatch> {
  const batches: RawEventBatch[] = [];
  await using capture = await CaptureEventLog.open(file);
  const { signal } = new AbortController();
  for await (const record of capture.read({ topics: ['raw-events'], from: 'start', follow: false, signal })) {
    if (record.topic === 'raw-events' && record.value !== undefined) batches.push(record.value);
  }
  const perRound = batches.reduce((sum, batch) => sum + batch.events.length, 0);
  if (perRound === 0) throw new Error(`the capture ${file} has no events`);
  const times = batches.map(({ baseTimeNs }) => baseTimeNs);
  const spanNs = times.reduce((last, time) => (time > last ? time : last)) - (times[0] ?? 0n) + pauseNs;
  for (let round = 0; round * perRound < events; round++) {
    for (const batch of batches) yield later(batch, BigInt(round) * spanNs);
  }
}

function later(batch: RawEventBatch, byNs: bigint): RawEventBatch {
  if (byNs === 0n) return batch;
  return {
    ...batch,
    session: batch.session + byNs,
    baseTimeNs: batch.baseTimeNs + byNs,
    processes: batch.processes.map((process) => ({
      ...process,
      startTimeNs: process.startTimeNs + byNs,
      parentStartTimeNs: process.parentStartTimeNs + byNs,
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
