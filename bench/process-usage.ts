import { readdirSync, readFileSync } from 'node:fs';

/** What a process and its children have used. */
export interface ProcessUsage {
  /** User and system time since they started, in seconds. */
  readonly cpuSeconds: number;
  /** Resident memory at the moment, in bytes. */
  readonly residentBytes: number;
}

/** USER_HZ, the unit of times in /proc/PID/stat: 100 on every architecture that Linux supports today. */
const ticksPerSecond = 100;

/** Sums /proc over a process and everything below it. A process that ends meanwhile counts as nothing. */
export function usageOfTree(rootPid: number): ProcessUsage {
  const parents = new Map<number, number>();
  const usages = new Map<number, ProcessUsage>();
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid)) continue;
    try {
      // proc(5): the name, field 2, may hold spaces and parentheses, so fields are counted from its last parenthesis.
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      parents.set(pid, Number(fields[1]));
      const pages = Number(readFileSync(`/proc/${name}/statm`, 'utf8').split(' ')[1]);
      usages.set(pid, {
        cpuSeconds: (Number(fields[11]) + Number(fields[12])) / ticksPerSecond,
        residentBytes: pages * 4096,
      });
    } catch {
      // It ended between the listing and the reading.
    }
  }
  const sum = { cpuSeconds: 0, residentBytes: 0 };
  for (const [pid, usage] of usages) {
    if (!isBelow(pid, rootPid, parents)) continue;
    sum.cpuSeconds += usage.cpuSeconds;
    sum.residentBytes += usage.residentBytes;
  }
  return sum;
}

function isBelow(pid: number, rootPid: number, parents: ReadonlyMap<number, number>): boolean {
  for (let at: number | undefined = pid; at !== undefined && at > 1; at = parents.get(at))
    if (at === rootPid) return true;
  return false;
}
