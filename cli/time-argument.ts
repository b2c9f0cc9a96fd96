import { InvalidArgumentError } from 'commander';
import { parseDuration } from './units.ts';

/** `2026-11-24`, `2026-11-24T12:30`, `2026-11-24 12:30:05.25`, each with or without a zone. */
const calendarTime = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d)?)(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)?$/u;

/**
 * A moment that a person gave, in ns since 1970-01-01 UTC: a duration before `nowMs` such as `15m`, or a date with or without a
 * time; without a zone it is local. Throws commander's InvalidArgumentError, which says what would be right.
 */
export function parseMoment(text: string, nowMs: number): bigint {
  const agoMs = parseDuration(text);
  if (agoMs !== undefined) return BigInt(Math.round(nowMs - agoMs)) * 1_000_000n;
  const [, date, time = '00:00', fraction = '', zone = ''] = calendarTime.exec(text) ?? [];
  // With a time and without a zone, JavaScript takes it as local (ECMA-262, Date Time String Format).
  const seconds = date === undefined ? Number.NaN : Date.parse(`${date}T${time}${zone}`);
  if (Number.isNaN(seconds))
    throw new InvalidArgumentError(
      'Give how long ago (90s, 15m, 2h, 7d) or a date (2026-11-24, "2026-11-24 12:30:05", 2026-11-24T12:30:05Z).',
    );
  return BigInt(seconds) * 1_000_000n + BigInt(fraction.slice(1).padEnd(9, '0'));
}
