import type { Coverage } from '../../schemas/generated.ts';

const second = 1_000_000_000n;

/** The wall clock at boot in `sampleCoverage`, Unix ns: 2026-01-01 00:00:00 UTC. */
export const sampleBootNs = 1_767_225_600n * second;

/** A live coverage record of a node from one second after its boot to another. The session began at second 10. */
export function sampleCoverage(fromSeconds: number, toSeconds: number, options: Partial<Coverage> = {}): Coverage {
  return {
    nodeId: 'node-1',
    bootId: 'boot-1',
    session: 10n * second,
    origin: 'live',
    fromTimeNs: BigInt(fromSeconds) * second,
    toTimeNs: BigInt(toSeconds) * second,
    wallClockOffsetNs: sampleBootNs,
    firstBatch: 1,
    lastBatch: 1,
    cpus: [],
    operations: [],
    gaps: [],
    sessionEnded: false,
    evictedProcesses: 0,
    evictedContainers: 0,
    helperFailures: [],
    ...options,
  };
}
