import { parseArgs } from 'node:util';

/** What a person typed and can put right; the message says how. */
export class UsageError extends Error {}

/** What a run is asked for. */
export interface ChaosOptions {
  /** 0 to 4294967295; decides the moments. */
  readonly seed: number;
  readonly kills: number;
  /** One object a kill and a last one, a line each; otherwise sentences. */
  readonly json: boolean;
}

/** A run takes about a second a kill: more is a slip of the keyboard. */
const maxKills = 100_000;
const defaultKills = 50;

const usage = 'npm run chaos -- [--seed N] [--kills K] [--json]';

/** Reads the command line. Throws UsageError. `chooseSeed` is asked where none is given. */
export function chaosOptions(arguments_: readonly string[], chooseSeed: () => number): ChaosOptions {
  const { seed, kills, json } = parsed(arguments_);
  return {
    seed: seed === undefined ? chooseSeed() : wholeNumber('--seed', seed, 0, 2 ** 32 - 1),
    kills: kills === undefined ? defaultKills : wholeNumber('--kills', kills, 1, maxKills),
    json: json ?? false,
  };
}

function parsed(arguments_: readonly string[]): { seed?: string; kills?: string; json?: boolean } {
  try {
    // `strict` is the default: what is unknown or lacks its value is refused, and so is any word beside the flags.
    const options = { seed: { type: 'string' }, kills: { type: 'string' }, json: { type: 'boolean' } } as const;
    return parseArgs({ args: [...arguments_], options }).values;
  } catch (cause) {
    throw new UsageError(`${cause instanceof Error ? cause.message : String(cause)}\n${usage}`, { cause });
  }
}

function wholeNumber(flag: string, text: string, least: number, most: number): number {
  const number = /^\d{1,10}$/u.test(text) ? Number(text) : Number.NaN;
  if (number >= least && number <= most) return number;
  throw new UsageError(
    `${flag} must be a whole number from ${least} to ${most} (got ${JSON.stringify(text)})\n${usage}`,
  );
}
