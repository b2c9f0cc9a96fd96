import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** What /proc tells of a process. */
export interface LinuxProcess {
  readonly pid: number;
  readonly ppid: number;
  /** Since boot, in clock ticks of 10 ms (proc_pid_stat(5), field 22). */
  readonly startTicks: number;
  /** `undefined` where the kernel keeps it from us, as it may of the first process, or where it is a file on no mount. */
  readonly executable: string | undefined;
}

/** A living process as /proc has it. */
export function linuxProcess(pid: number): LinuxProcess {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  // The name, field 2, is in parentheses and may contain anything: fields are counted from the last one.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return {
    pid,
    ppid: Number(fields[1]),
    startTicks: Number(fields[19]),
    executable: executableOf(pid),
  };
}

function executableOf(pid: number): string | undefined {
  try {
    const executable = readlinkSync(`/proc/${pid}/exe`).replace(/ \(deleted\)$/u, '');
    return executable.startsWith('/memfd:') ? undefined : executable;
  } catch {
    return undefined;
  }
}

/** A process's parent, its parent, and so on up to the first process. */
export function ancestorsOf(pid: number): readonly LinuxProcess[] {
  const ancestors: LinuxProcess[] = [];
  for (let next = linuxProcess(pid).ppid; next !== 0; next = ancestors.at(-1)?.ppid ?? 0) {
    ancestors.push(linuxProcess(next));
  }
  return ancestors;
}

/** Pids of a process's children whose command line matches. */
export function childrenOf(pid: number, commandLine: RegExp): readonly number[] {
  return textOf(() => readdirSync(`/proc/${pid}/task`).join(' '))
    .split(' ')
    .flatMap((task) => textOf(() => readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8')).split(' '))
    .filter((child) => child !== '' && commandLine.test(commandLineOf(Number(child))))
    .map(Number);
}

/** Arguments joined by spaces; empty where the process is gone. */
function commandLineOf(pid: number): string {
  return textOf(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8')).replaceAll('\0', ' ');
}

/** What /proc has; nothing where the process or thread ended between two looks. */
function textOf(read: () => string): string {
  try {
    return read();
  } catch {
    return '';
  }
}

/** Whether there is such a process that has not ended: one that waits to be reaped has. */
export function isAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return !/\) [ZX] /u.test(stat);
  } catch {
    return false;
  }
}

/** CLOCK_BOOTTIME, rounded down to 10 ms as /proc/uptime has it. */
export function bootTimeNs(): bigint {
  const [seconds = '0'] = readFileSync('/proc/uptime', 'utf8').split(' ');
  return BigInt(seconds.replace('.', '')) * 10_000_000n;
}
