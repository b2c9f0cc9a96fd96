const bytesOf = { KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 } as const;
const millisecondsOf = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** Bytes of a size such as `8MiB`; `undefined` where it is none. Units: KiB, MiB, GiB. */
export function parseSize(text: string): number | undefined {
  const match = /^(\d{1,9})(KiB|MiB|GiB)$/u.exec(text);
  return match === null ? undefined : Number(match[1]) * bytesOf[match[2] as keyof typeof bytesOf];
}

/** Milliseconds of a duration such as `250ms` or `7d`; `undefined` where it is none. Units: ms, s, m, h, d. */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d{1,9})(ms|s|m|h|d)$/u.exec(text);
  return match === null ? undefined : Number(match[1]) * millisecondsOf[match[2] as keyof typeof millisecondsOf];
}
