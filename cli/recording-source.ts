import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { SourceStage } from '../eventlog/stage.ts';
import { bootTimeNs } from './boot-time.ts';
import { readRecording, rebased, type Playing } from './demo/recording.ts';

export interface RecordingSourceOptions {
  readonly file: string;
  /** This node's id; the recording is played as a node of its own, `<id>-recording`. */
  readonly nodeId: string;
  /** Called once, when the last batch is appended. */
  readonly onPlayed: () => void;
}

/**
 * Plays a recording of raw events at the pace at which it happened, once, and then waits for the end. Everything after it in the
 * flow is the same as with a kernel.
 */
export function recordingSource(options: RecordingSourceOptions): SourceStage {
  return {
    name: 'recording',
    outputs: ['raw-events'],
    async run(log, signal) {
      const playing = playingNow(`${options.nodeId}-recording`);
      let firstTimeNs: bigint | undefined;
      for await (const recorded of readRecording(options.file)) {
        firstTimeNs ??= recorded.baseTimeNs;
        const batch = rebased(recorded, firstTimeNs, playing);
        const dueInMs = Number((batch.baseTimeNs - bootTimeNs()) / 1_000_000n);
        // An abort ends the wait, and the playing: what was appended stays, and a later playing has its own session.
        if (dueInMs > 0) await delay(dueInMs, undefined, { signal }).catch(() => undefined);
        if (signal.aborted) return;
        await log.append([{ topic: 'raw-events', key: batch.nodeId, value: batch }]);
      }
      options.onPlayed();
    },
  };
}

function playingNow(nodeId: string): Playing {
  const startTimeNs = bootTimeNs();
  return {
    nodeId,
    bootId: readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(),
    session: startTimeNs,
    startTimeNs,
    wallClockOffsetNs: BigInt(Date.now()) * 1_000_000n - startTimeNs,
  };
}
