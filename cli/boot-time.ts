import { readFileSync } from 'node:fs';

/** CLOCK_BOOTTIME in steps of 10 ms, rounded down, as /proc/uptime has it (fs/proc/uptime.c: ktime_get_boottime_ts64). */
export function bootTimeNs(): bigint {
  const [seconds = '0'] = readFileSync('/proc/uptime', 'utf8').split(' ');
  return BigInt(Math.round(Number(seconds) * 100)) * 10_000_000n;
}
