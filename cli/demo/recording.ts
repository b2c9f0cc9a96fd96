import avro from 'avsc';
import { createReadStream, createWriteStream } from 'node:fs';
import path from 'node:path';
import { finished, pipeline } from 'node:stream/promises';
import { avroTypeOf } from '../../schemas/avro-types.ts';
import type { RawEventBatch } from '../../schemas/generated.ts';
import { packageRoot } from '../package-root.ts';

/** The bundled recording: an Avro object container file (Avro 1.11, "Object Container Files") of RawEventBatch. */
export function recordingFile(): string {
  return path.join(packageRoot(), 'cli/demo/recording.avro');
}

/** Batches of a recording, in order. A file of an older release is read by Avro's schema resolution. */
export async function* readRecording(file: string): AsyncGenerator<RawEventBatch> {
  const decoder = new avro.streams.BlockDecoder({ readerSchema: avroTypeOf('raw-events').type });
  // A failure of either stream ends the iteration below with its error.
  const reading = pipeline(createReadStream(file), decoder);
  reading.catch(() => undefined);
  for await (const batch of decoder) yield batch as RawEventBatch;
  await reading;
}

/** Writes a recording. */
export async function writeRecording(file: string, batches: readonly RawEventBatch[]): Promise<void> {
  const encoder = new avro.streams.BlockEncoder(avroTypeOf('raw-events').type, { codec: 'deflate' });
  const output = createWriteStream(file);
  encoder.pipe(output);
  for (const batch of batches) encoder.write(batch);
  encoder.end();
  await finished(output);
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
