import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { processStartTicks } from '../runtime/process-start.ts';
import { KernelError } from './kernel-error.ts';

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
  /**
   * `struct palisade_event` after `struct palisade_event`, each aligned to 8 bytes; up to 1 MiB. Valid until the next block is
   * asked for: memory that is used again costs a third of memory that is new for each block.
   */
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
export type MonitorMapName =
  'containers' | 'container_paths' | 'container_layouts' | 'runtimes' | 'runtime_names' | 'registered';

/** Two clocks at one moment, in ns. */
export interface MonitorClock {
  /** CLOCK_BOOTTIME, which the events have. */
  readonly bootTimeNs: bigint;
  /** CLOCK_REALTIME: since 1970-01-01 UTC. */
  readonly wallTimeNs: bigint;
}

export interface MonitorOptions {
  /** Directory on a bpf file system; made if it is missing. One monitor at a time may use it. */
  readonly pinDirectory: string;
  /** Power of two, at least a page. It holds what is not appended yet: bytes a second × 250 ms (bench/results), at least 8 MiB. */
  readonly ringBytes: number;
  /** Whose cgroup ids events carry: the unified hierarchy, or that of v1's pids controller. */
  readonly hierarchy: 'v2' | 'pids';
  /** Operations switched off at the start: counted as filtered. Names of enum palisade_operation in lower case. */
  readonly operationsOff?: readonly MonitorOperation[];
}

/** What the programs tell of, in the order of enum palisade_operation. */
export const monitorOperations = [
  'fork',
  'exec',
  'exit',
  'open',
  'connect',
  'unlink',
  'rmdir',
  'rename',
  'socket',
  'bind',
  'listen',
  'accept',
] as const;

export type MonitorOperation = (typeof monitorOperations)[number];

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
  /**
   * Leaves out the file and network acts of a process of the pipeline from now on; never those of its children. `hostPid`: in
   * the initial pid namespace; default: this process. One that has ended already is passed over.
   */
  registerProcess(hostPid?: number): void;
  /**
   * A predecessor's last figures are written down: removes its pins. False while its ring holds something that is not read and
   * released. One that is not finished is found again by the next start.
   */
  finishPredecessor(session: bigint): boolean;
  setOperationEnabled(operation: MonitorOperation, enabled: boolean): void;
  /** Leaves out what a container does; 0n: the host. What it does is still counted. */
  setTargetEnabled(containerCgroupId: bigint, enabled: boolean): void;
  mapLookup(map: MonitorMapName, key: Uint8Array): Uint8Array | undefined;
  mapUpdate(map: MonitorMapName, key: Uint8Array, value: Uint8Array): void;
  /** Whether there was something to delete. */
  mapDelete(map: MonitorMapName, key: Uint8Array): boolean;
  mapEntries(map: MonitorMapName): readonly (readonly [key: Uint8Array, value: Uint8Array])[];
  /**
   * Lets every process that runs know the container it is in, as the map `containers` has them now, and tells of each: `struct
   * palisade_event` after `struct palisade_event`, of the operation `existing`, in the order of their pids.
   */
  scanProcesses(): Uint8Array;
  clock(): MonitorClock;
  /** Takes the programs out of the kernel. What is in the ring can still be read; counters are final afterwards. */
  detach(): void;
  /** Detaches. Pins of this session are removed where its ring is empty and given back, else left to the next start. */
  close(): Promise<void>;
}

/** Bytes of a block. */
const blockBytesMax = 1 << 20;
/**
 * How long events may gather before they are read, in ms: the programs wake nobody up, since a wake-up an event would cost more
 * than the event. At a million events a second of 300 bytes, 1.5 MB gather.
 */
const gatherMs = 5;
/** Bits of enum palisade_operation. */
/** Number of the first of `monitorOperations`: PALISADE_OPERATION_FORK in bpf/event.h. */
const firstOperation = 2;
const mapNames: readonly string[] = [
  'containers',
  'container_paths',
  'container_layouts',
  'runtimes',
  'runtime_names',
  'registered',
] satisfies readonly MonitorMapName[];

/** addon.cc's class. Checks nothing. */
interface NativeMonitor {
  session(): bigint;
  predecessors(): readonly MonitorPredecessor[];
  discarded(): readonly DiscardedSession[];
  readBlock(into: Uint8Array): { session: bigint; block: bigint; length: number } | undefined;
  releaseBlock(session: bigint, block: bigint): void;
  finishPredecessor(session: bigint): boolean;
  statistics(): MonitorStatistics;
  helperFailures(): readonly HelperFailure[];
  setOperationsOff(bits: number): void;
  setTargetOff(containerCgroupId: bigint, off: boolean): void;
  mapLookup(map: string, key: Uint8Array): Uint8Array | undefined;
  mapUpdate(map: string, key: Uint8Array, value: Uint8Array): void;
  mapDelete(map: string, key: Uint8Array): boolean;
  mapEntries(map: string): readonly (readonly [Uint8Array, Uint8Array])[];
  scanProcesses(): Uint8Array;
  clock(): MonitorClock;
  detach(): void;
  close(): void;
}
interface NativeAddon {
  initialize(kernelError: typeof KernelError): void;
  readonly Monitor: new (options: {
    readonly pinDirectory: string;
    readonly ringBytes: number;
    readonly unifiedHierarchy: boolean;
    readonly operationsOff: number;
  }) => NativeMonitor;
}

/** The package's root: this file runs from native/ or from dist/native/. */
function addonFile(): string {
  const here = import.meta.dirname;
  const candidates = [join(here, 'build/palisade.node'), join(here, '../../native/build/palisade.node')];
  const found = candidates.find((file) => existsSync(file));
  if (found === undefined) {
    throw new KernelError('The native addon is not built: run `npm run build`.', {
      errno: 2,
      program: '',
      complaint: '',
      remedy: 'npm run build',
    });
  }
  return found;
}

function bitsOf(operations: readonly MonitorOperation[]): number {
  return operations.reduce(
    (bits, operation) => bits | (1 << (firstOperation + monitorOperations.indexOf(operation))),
    0,
  );
}

function checkOptions(options: MonitorOptions): void {
  if (!options.pinDirectory.startsWith('/')) {
    throw new TypeError(`pinDirectory must be an absolute path, got "${options.pinDirectory}"`);
  }
  const { ringBytes } = options;
  // The kernel wants a power of two and whole pages (kernel/bpf/ringbuf.c, ringbuf_map_alloc); 2^30 is beyond any use.
  if (!Number.isInteger(ringBytes) || ringBytes < 4096 || ringBytes > 2 ** 30 || (ringBytes & (ringBytes - 1)) !== 0) {
    throw new RangeError(`ringBytes must be a power of two from 4096 to 2^30, got ${ringBytes}`);
  }
}

/** Forgets registered processes that have ended: the map is pinned and bounded, and each start adds its own. */
function dropEnded(native: NativeMonitor): void {
  for (const [key, value] of native.mapEntries('registered')) {
    const hostPid = new DataView(key.buffer, key.byteOffset).getUint32(0, true);
    const ticks = new DataView(value.buffer, value.byteOffset).getBigUint64(0, true);
    if (processStartTicks(hostPid) !== ticks) native.mapDelete('registered', key);
  }
}

/**
 * Loads the programs and attaches them. Throws KernelError: without privileges, on a kernel that refuses a program, where another
 * monitor uses the directory, or where it is not on a bpf file system. Blocks this thread for about 0.2 s.
 */
export function openMonitor(options: MonitorOptions): Monitor {
  checkOptions(options);
  const addon = createRequire(import.meta.url)(addonFile()) as NativeAddon;
  addon.initialize(KernelError);
  let operationsOff = bitsOf(options.operationsOff ?? []);
  const native = new addon.Monitor({
    pinDirectory: options.pinDirectory,
    ringBytes: options.ringBytes,
    unifiedHierarchy: options.hierarchy === 'v2',
    operationsOff,
  });
  dropEnded(native);
  let state: 'attached' | 'detached' | 'closed' = 'attached';
  let isRead = false;

  const checkMap = (map: MonitorMapName): void => {
    if (!mapNames.includes(map)) throw new TypeError(`no map "${map}": one of ${mapNames.join(', ')}`);
  };

  async function* blocks(signal: AbortSignal): AsyncGenerator<MonitorBlock, void, undefined> {
    if (isRead) throw new TypeError('the blocks of this monitor are being read already');
    isRead = true;
    const memory = new Uint8Array(blockBytesMax);
    try {
      while (!signal.aborted && state !== 'closed') {
        // Asked before reading: what a detached ring does not have now, it will never have.
        const isFinal = state === 'detached';
        const read = native.readBlock(memory);
        if (read !== undefined) {
          const { session, block, length } = read;
          yield {
            session,
            bytes: memory.subarray(0, length),
            release: () => {
              native.releaseBlock(session, block);
            },
          };
          // A full block: more waits already.
          if (length > blockBytesMax / 2) continue;
        } else if (isFinal) {
          return;
        }
        if (!isFinal) await sleep(gatherMs);
      }
    } finally {
      isRead = false;
    }
  }

  const monitor: Monitor = {
    session: native.session(),
    predecessors: native.predecessors(),
    discarded: native.discarded(),
    blocks,
    statistics: () => native.statistics(),
    helperFailures: () => native.helperFailures(),
    registerProcess(hostPid = process.pid) {
      // Whoever starts a process of the pipeline anew, however often, fills the map with living ones only.
      dropEnded(native);
      const ticks = processStartTicks(hostPid);
      if (ticks === undefined) return;
      const key = new Uint8Array(4);
      new DataView(key.buffer).setUint32(0, hostPid, true);
      const value = new Uint8Array(8);
      new DataView(value.buffer).setBigUint64(0, ticks, true);
      native.mapUpdate('registered', key, value);
    },
    finishPredecessor: (session) => native.finishPredecessor(session),
    setOperationEnabled(operation, enabled) {
      operationsOff = enabled ? operationsOff & ~bitsOf([operation]) : operationsOff | bitsOf([operation]);
      native.setOperationsOff(operationsOff);
    },
    setTargetEnabled(containerCgroupId, enabled) {
      native.setTargetOff(containerCgroupId, !enabled);
    },
    mapLookup(map, key) {
      checkMap(map);
      return native.mapLookup(map, key);
    },
    mapUpdate(map, key, value) {
      checkMap(map);
      native.mapUpdate(map, key, value);
    },
    mapDelete(map, key) {
      checkMap(map);
      return native.mapDelete(map, key);
    },
    mapEntries(map) {
      checkMap(map);
      return native.mapEntries(map);
    },
    scanProcesses: () => native.scanProcesses(),
    clock: () => native.clock(),
    detach() {
      if (state !== 'attached') return;
      native.detach();
      state = 'detached';
    },
    close() {
      if (state !== 'closed') {
        state = 'closed';
        native.close();
      }
      return Promise.resolve();
    },
    [Symbol.asyncDispose]: () => monitor.close(),
  };
  return monitor;
}
