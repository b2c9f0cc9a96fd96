import path from 'node:path';
import { CaptureWriter } from '../../eventlog/capture-writer.ts';
import { CaptureEventLog } from '../../eventlog/capture.ts';
import type { LogRecord } from '../../eventlog/event-log.ts';
import type { RawEventBatch } from '../../schemas/generated.ts';
import { packageRoot } from '../package-root.ts';

/** The bundled recording: a capture of the demo's story and of the sample policies. cli/demo/record.ts makes it. */
export function recordingFile(): string {
  return path.join(packageRoot(), 'cli/demo/recording.avro');
}

/** Batches of a recording, in order. Throws `CAPTURE_UNREADABLE`. */
export async function* readRecording(file: string): AsyncGenerator<RawEventBatch> {
  await using capture = await CaptureEventLog.open(file);
  const { signal } = new AbortController();
  for await (const record of capture.read({ topics: ['raw-events'], from: 'start', follow: false, signal })) {
    if (record.topic === 'raw-events' && record.value !== undefined) yield record.value;
  }
}

/** Writes a recording: `policies`, then the batches, with the times of what they tell. */
export async function writeRecording(
  file: string,
  { policies, batches }: { readonly policies: readonly LogRecord[]; readonly batches: readonly RawEventBatch[] },
): Promise<void> {
  await using writer = await CaptureWriter.create(file);
  for (const record of policies) await writer.write(record);
  for (const [offset, value] of batches.entries()) {
    const timestampMs = Number((value.baseTimeNs + value.wallClockOffsetNs) / 1_000_000n);
    await writer.write({
      topic: 'raw-events',
      partition: 0,
      offset,
      key: value.nodeId,
      value,
      timestampMs,
      tablePositions: {},
    });
  }
}

/** When and as whom a recording is played. Times are CLOCK_BOOTTIME. */
export interface Playing {
  readonly nodeId: string;
  readonly bootId: string;
  readonly session: bigint;
  /** Where the recording's first batch comes to lie. */
  readonly startTimeNs: bigint;
  readonly wallClockOffsetNs: bigint;
}

/**
 * A recorded batch as it would be if it happened in this playing: same acts at the same distances, with a session of its own,
 * so that a second playing is not taken for a repeat, and marked as a recording.
 */
export function rebased(batch: RawEventBatch, firstTimeNs: bigint, playing: Playing): RawEventBatch {
  const shiftNs = playing.startTimeNs - firstTimeNs;
  const shifted = (timeNs: bigint): bigint => (timeNs === 0n ? 0n : timeNs + shiftNs);
  return {
    ...batch,
    nodeId: playing.nodeId,
    bootId: playing.bootId,
    session: playing.session,
    origin: 'recording',
    baseTimeNs: batch.baseTimeNs + shiftNs,
    wallClockOffsetNs: playing.wallClockOffsetNs,
    processes: batch.processes.map((process) => ({
      ...process,
      startTimeNs: shifted(process.startTimeNs),
      parentStartTimeNs: shifted(process.parentStartTimeNs),
    })),
    gaps: batch.gaps.map((gap) => ({
      ...gap,
      fromTimeNs: gap.fromTimeNs + shiftNs,
      toTimeNs: gap.toTimeNs + shiftNs,
    })),
  };
}
