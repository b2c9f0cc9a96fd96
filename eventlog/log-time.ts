import { readFileSync } from 'node:fs';
import { uptime } from 'node:os';

/*
 * How old records are is told by how much time passed while they lay in the log, and never by their wall-clock times: a clock
 * that is set forward would make all of them old at once, and one that was ahead and is set back would keep them for good.
 */

/** Of the clocks of one moment. */
export interface ClockReading {
  /** `/proc/sys/kernel/random/boot_id`. */
  readonly bootId: string;
  /** CLOCK_BOOTTIME: nobody sets it, and it goes on while the machine sleeps. */
  readonly sinceBootMs: number;
  readonly wallMs: number;
}

/**
 * Between two boots only the wall clock tells how much time passed, and after a start it may be anything until it is
 * synchronized. So a pause counts as a day at most: what was kept too long is trimmed later, what was trimmed is gone.
 */
const longestPauseMs = 86_400_000;

export function readClocks(): ClockReading {
  const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  return { bootId, sinceBootMs: Math.round(uptime() * 1000), wallMs: Date.now() };
}

/** Milliseconds that surely passed from `before` to `after`; never negative. */
export function elapsedMs(before: ClockReading, after: ClockReading): number {
  if (before.bootId === after.bootId) return Math.max(0, after.sinceBootMs - before.sinceBootMs);
  return Math.min(longestPauseMs, Math.max(0, after.wallMs - before.wallMs));
}
