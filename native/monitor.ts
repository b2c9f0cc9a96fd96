/** What the monitor counted in one session, by CPU and operation: figure `cpu * operations + operation`. */
export interface MonitorStatistics {
  readonly cpus: number;
  /** Number of operations, as in enum palisade_operation; the second dimension. */
  readonly operations: number;
  readonly seen: Float64Array;
  readonly filtered: Float64Array;
  readonly submitted: Float64Array;
  readonly dropped: Float64Array;
  /** By CPU: the highest sequence number given out. */
  readonly sequence: Float64Array;
  /** Runs of programs that the kernel skipped since a program was running on that CPU already: lost, of unknown operation. */
  readonly skippedRuns: number;
}

/** A helper that failed in the kernel. */
export interface HelperFailure {
  /** File and line, such as `lib/path.bpf.h:40`. */
  readonly place: string;
  readonly errno: number;
  readonly count: number;
}

/** Whole events, oldest first. */
export interface MonitorBlock {
  /** All events of one block are of one session. */
  readonly session: bigint;
  /** `struct palisade_event` after `struct palisade_event`, each aligned to 8 bytes; up to 1 MiB. Yours: never written again. */
  readonly bytes: Uint8Array;
  /** Gives the ring's space back: once what is in here is appended. In any order among blocks; a second call does nothing. */
  release(): void;
}

/** A session that ended without being closed: killed, or closed with blocks not given back. */
export interface MonitorPredecessor {
  readonly session: bigint;
  /** Final: its programs are gone. */
  readonly statistics: MonitorStatistics;
  readonly helperFailures: readonly HelperFailure[];
}

/** Pins that were found and not read, since they were made by another version or are broken. What they held is lost. */
export interface DiscardedSession {
  /** 0n where it is not known. */
  readonly session: bigint;
  readonly reason: string;
}

/** Pinned maps that user space may read and write. Keys and values are bytes in the host's order. */
export type MonitorMapName = 'containers' | 'registered';

export interface MonitorOptions {
  /** Directory on a bpf file system; made if it is missing. One monitor at a time may use it. */
  readonly pinDirectory: string;
  /** Power of two, at least a page. It holds what is in flight: max(8 MiB, rate × 60 ms). */
  readonly ringBytes: number;
  /** Whose cgroup ids events carry: the unified hierarchy, or that of v1's pids controller. */
  readonly hierarchy: 'v2' | 'pids';
  /** Operations switched off at the start: counted as filtered. Names of enum palisade_operation in lower case. */
  readonly operationsOff?: readonly MonitorOperation[];
}

export type MonitorOperation = 'fork' | 'exec' | 'exit' | 'open' | 'connect';

/** The programs in the kernel, and the ring that they fill. */
export interface Monitor extends AsyncDisposable {
  /** CLOCK_BOOTTIME ns at which this life of the monitor began. */
  readonly session: bigint;
  /** Sessions whose ring still held something, oldest first. Their blocks come before those of this session, in this order. */
  readonly predecessors: readonly MonitorPredecessor[];
  readonly discarded: readonly DiscardedSession[];
  /**
   * Blocks, oldest first: predecessors' whole, then this session's until `signal` aborts, or, after `detach`, until the ring is
   * empty. One iteration at a time. Blocks not released hold the ring's space; beyond it the kernel counts drops.
   */
  blocks(signal: AbortSignal): AsyncIterable<MonitorBlock>;
  /** Of this session. */
  statistics(): MonitorStatistics;
  helperFailures(): readonly HelperFailure[];
  /** Leaves out the file and network acts of this very process from now on; never those of its children. */
  registerSelf(): void;
  setOperationEnabled(operation: MonitorOperation, enabled: boolean): void;
  /** Leaves out what a container does; 0n: the host. What it does is still counted. */
  setTargetEnabled(containerCgroupId: bigint, enabled: boolean): void;
  mapLookup(map: MonitorMapName, key: Uint8Array): Uint8Array | undefined;
  mapUpdate(map: MonitorMapName, key: Uint8Array, value: Uint8Array): void;
  /** Whether there was something to delete. */
  mapDelete(map: MonitorMapName, key: Uint8Array): boolean;
  mapEntries(map: MonitorMapName): readonly (readonly [key: Uint8Array, value: Uint8Array])[];
  /** Takes the programs out of the kernel. What is in the ring can still be read; counters are final afterwards. */
  detach(): void;
  /** Detaches. Pins of this session are removed where its ring is empty and given back, else left to the next start. */
  close(): Promise<void>;
}
