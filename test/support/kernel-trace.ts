import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const tracefs = '/sys/kernel/tracing';
/** Of each CPU's buffer: some 100,000 calls. */
const bufferKibibytes = 8192;
/** `comm-PID [CPU] flags time: event(…)`: trace_print_context in kernel/trace/trace_output.c. A name may hold anything. */
const line = /-(?<pid>\d+)\s+\[\d+\]\s+\S+\s+[\d.]+: sys_\w+\(/u;

/** Why there is no such trace here, or undefined. */
export function whyNoKernelTrace(): string | undefined {
  return existsSync(path.join(tracefs, 'events/syscalls/sys_enter_rmdir'))
    ? undefined
    : 'needs tracefs on /sys/kernel/tracing with syscall events (mount -t tracefs tracefs /sys/kernel/tracing)';
}

/**
 * The kernel's own trace of system calls (Documentation/trace/ftrace.rst, "Instances"): counts what Palisade counts, and shares
 * nothing with it. Removed when it is disposed of.
 */
export class KernelTrace implements Disposable {
  readonly #folder = path.join(tracefs, 'instances', `palisade-${process.pid}`);

  /** `calls`: names of system calls, each with the filter of its arguments, or an empty one. */
  constructor(calls: Readonly<Record<string, string>>) {
    mkdirSync(this.#folder);
    this.#write('buffer_size_kb', String(bufferKibibytes));
    for (const [call, filter] of Object.entries(calls)) {
      const event = `events/syscalls/sys_enter_${call}`;
      if (filter !== '') this.#write(`${event}/filter`, filter);
      this.#write(`${event}/enable`, '1');
    }
  }

  /** Calls so far, by the thread that made them. Throws where the trace has lost some. */
  counts(): ReadonlyMap<number, number> {
    for (const cpu of readdirSync(path.join(this.#folder, 'per_cpu'))) {
      const stats = readFileSync(path.join(this.#folder, 'per_cpu', cpu, 'stats'), 'latin1');
      if (!/^overrun: 0$/mu.test(stats)) throw new Error(`the kernel's trace was too small: ${cpu}: ${stats}`);
    }
    const counts = new Map<number, number>();
    for (const text of readFileSync(path.join(this.#folder, 'trace'), 'latin1').split('\n')) {
      const pid = Number(line.exec(text)?.groups?.['pid'] ?? 0);
      if (pid > 0) counts.set(pid, (counts.get(pid) ?? 0) + 1);
    }
    return counts;
  }

  [Symbol.dispose](): void {
    this.#write('events/enable', '0');
    rmdirSync(this.#folder);
  }

  #write(file: string, text: string): void {
    writeFileSync(path.join(this.#folder, file), text);
  }
}
