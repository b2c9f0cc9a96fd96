import { setTimeout as delay } from 'node:timers/promises';

/** Far more than anything takes that tests wait for, on a machine that is busy with much else. */
export const patienceMs = 120_000;
/** Between two looks. */
const pollMs = 50;

/** Looks until `look` gives something else than `undefined`, and resolves to that. Throws, naming `what`, where that takes too long. */
export async function eventually<Found>(
  what: string,
  look: () => Promise<Found | undefined> | Found | undefined,
  timeoutMs = patienceMs,
): Promise<Found> {
  const untilMs = performance.now() + timeoutMs;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > untilMs) throw new Error(`not within ${timeoutMs / 1000} s: ${what}`);
    await delay(pollMs);
  }
}
