import assert from 'node:assert';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmdirSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import { openMonitor, type Monitor, type MonitorOptions } from '../../native/monitor.ts';
import { patienceMs } from './eventually.ts';
import { decodeBlock, type KernelEvent } from './kernel-event.ts';

/**
 * Room for what the whole machine does while a test's only thread waits for a program, a busy machine among them: what is dropped
 * then would be missed here.
 */
export const testRingBytes = 64 << 20;

/** What one program did. */
export interface ProgramRun {
  readonly hostPid: number;
  readonly stdout: string;
  readonly status: number | null;
  /** All events of the process, in the kernel's order, its exit last. */
  readonly events: readonly KernelEvent[];
}

export interface KernelCapture {
  readonly monitor: Monitor;
  /** Everything read so far, of every process of the machine. */
  readonly events: readonly KernelEvent[];
  /** Runs a program to its end and waits for the event of that. */
  run(
    file: string,
    args?: readonly string[],
    options?: { readonly cwd?: string; readonly uid?: number },
  ): Promise<ProgramRun>;
  /** Waits for the event that `accept` finds among those read. */
  event(accept: (event: KernelEvent) => boolean): Promise<KernelEvent>;
  /** Detaches, and reads what is left. */
  finish(): Promise<void>;
}

/** What a capture needs of the test that it is for. */
export type CaptureContext = Pick<ExecutionContext, 'title' | 'teardown'>;

/** Why the kernel suite cannot run here, or undefined. */
export function whyNoKernelTests(): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root';
  if (!existsSync('/sys/kernel/btf/vmlinux')) return 'needs a kernel with BTF';
  return undefined;
}

/** A pin directory of its own for each test, removed at its end. */
export function pinDirectory(t: CaptureContext): string {
  const name = t.title.replace(/[^a-z0-9]+/gi, '-').slice(0, 60);
  const directory = `/sys/fs/bpf/palisade-test-${process.pid}-${name}`;
  t.teardown(() => {
    removePins(directory);
  });
  return directory;
}

function removePins(directory: string): void {
  if (!existsSync(directory)) return;
  // readdir of a bpf file system gives names; what cannot be removed as a file is a directory.
  const names = spawnSync('ls', [directory], { encoding: 'utf8' }).stdout.split('\n').filter(Boolean);
  for (const name of names) {
    if (name.startsWith('session-')) removePins(join(directory, name));
    else unlinkSync(join(directory, name));
  }
  rmdirSync(directory);
}

/** The hierarchy that tells this machine's processes apart: v2 where it has controllers, else pids. */
export function testHierarchy(): 'v2' | 'pids' {
  return existsSync('/sys/fs/cgroup/cgroup.controllers') ? 'v2' : 'pids';
}

/** Opens a monitor and reads all its blocks, until the test ends. */
export function openCapture(t: CaptureContext, options: Partial<MonitorOptions> = {}): KernelCapture {
  const monitor = openMonitor({
    pinDirectory: options.pinDirectory ?? pinDirectory(t),
    ringBytes: testRingBytes,
    hierarchy: testHierarchy(),
    ...options,
  });
  const events: KernelEvent[] = [];
  const stop = new AbortController();
  const reading = (async () => {
    for await (const block of monitor.blocks(stop.signal)) {
      events.push(...decodeBlock(block.bytes));
      block.release();
    }
  })();
  t.teardown(async () => {
    stop.abort();
    await reading;
    await monitor.close();
  });

  const event = async (accept: (event: KernelEvent) => boolean): Promise<KernelEvent> => {
    const deadline = performance.now() + patienceMs;
    for (;;) {
      const found = events.find(accept);
      if (found !== undefined) return found;
      assert(performance.now() < deadline, 'an event did not come');
      await sleep(2);
    }
  };
  return {
    monitor,
    events,
    event,
    async run(file, args = [], { cwd = '/', uid } = {}) {
      const result = spawnSync(file, args, { cwd, encoding: 'utf8', ...(uid === undefined ? {} : { uid }) });
      if (result.error !== undefined) throw result.error;
      const hostPid = BigInt(result.pid);
      await event(({ hostTgid, operation }) => hostTgid === hostPid && operation === 'exit');
      return {
        hostPid: result.pid,
        stdout: result.stdout,
        status: result.status,
        events: events
          .filter(({ hostTgid }) => hostTgid === hostPid)
          .sort((left, right) => (left.timeNs < right.timeNs ? -1 : 1)),
      };
    },
    async finish() {
      monitor.detach();
      await reading;
    },
  };
}

/** What /proc says of this very process, in the words of an event: children share it. */
export function ownNamespaces(): { readonly pidNamespace: bigint; readonly mountNamespace: bigint } {
  const inode = (name: string): bigint => {
    const link = spawnSync('readlink', [`/proc/self/ns/${name}`], { encoding: 'utf8' }).stdout;
    return BigInt(/\[(\d+)\]/.exec(link)?.[1] ?? -1);
  };
  return { pidNamespace: inode('pid'), mountNamespace: inode('mnt') };
}

/** Login uid of this process, as children inherit it. */
export function ownLoginUid(): bigint {
  return BigInt(readFileSync('/proc/self/loginuid', 'utf8'));
}
