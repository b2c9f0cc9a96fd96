import { readFileSync } from 'node:fs';

/** What the system says of a process that is not there any more, or that this user may not look at. */
const goneOrHidden = ['ENOENT', 'ESRCH', 'EACCES', 'EPERM'];

/**
 * Start time of a process in clock ticks since boot (proc_pid_stat(5), field 22): with its pid it names a process for good,
 * since a pid is given out again. `undefined` where it has ended, or is hidden from this user. Throws what else the system says.
 */
export function processStartTicks(pid: number): bigint | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch (error) {
    if (error instanceof Error && 'code' in error && goneOrHidden.includes(String(error.code))) return undefined;
    throw error;
  }
  // The second field is the name in parentheses and may hold anything: fields are counted from behind the last one.
  const ticks = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  if (ticks === undefined) throw new TypeError(`/proc/${pid}/stat has no start time`);
  return BigInt(ticks);
}
