import { InvalidArgumentError } from 'commander';
import { parseDuration } from './units.ts';

/** `2026-11-24`, `2026-11-24T12:30`, `2026-11-24 12:30:05.25`, each with or without a zone. */
const calendarTime = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d)?)(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)?$/u;

/** Of 2261, the last whole year that fits into 64 bits as nanoseconds, which is how times are stored. */
const latestMoment = BigInt(Date.UTC(2262, 0, 1)) * 1_000_000n - 1n;

/**
 * A moment that a person gave, in ns since 1970-01-01 UTC: a duration before `nowMs` such as `15m`, or a date with or without a
 * time; without a zone it is local. Throws commander's InvalidArgumentError, which says what would be right.
 */
export function parseMoment(text: string, nowMs: number): bigint {
  const moment = momentOf(text, nowMs);
  if (moment === undefined)
    throw new InvalidArgumentError(
      'Give how long ago (90s, 15m, 2h, 7d) or a date (2026-11-24, "2026-11-24 12:30:05", 2026-11-24T12:30:05Z).',
    );
  if (moment >= 0n && moment <= latestMoment) return moment;
  throw new InvalidArgumentError('Give a time from 1970 to 2261.');
}

function momentOf(text: string, nowMs: number): bigint | undefined {
  const agoMs = parseDuration(text);
  if (agoMs !== undefined) return BigInt(Math.round(nowMs - agoMs)) * 1_000_000n;
  const [, date, time = '00:00', fraction = '', zone = ''] = calendarTime.exec(text) ?? [];
  if (date === undefined || !isDate(date)) return undefined;
  // With a time and without a zone, JavaScript takes it as local (ECMA-262, Date Time String Format).
  const milliseconds = Date.parse(`${date}T${time}${zone}`);
  if (Number.isNaN(milliseconds)) return undefined;
  return BigInt(milliseconds) * 1_000_000n + BigInt(fraction.slice(1).padEnd(9, '0'));
}

/** JavaScript takes a 30th of February for the 2nd of March. */
function isDate(date: string): boolean {
  const milliseconds = Date.parse(`${date}T00:00Z`);
  return !Number.isNaN(milliseconds) && new Date(milliseconds).toISOString().startsWith(date);
}
