import { existsSync } from 'node:fs';
import path from 'node:path';
import { ConfigError } from './config.ts';
import { dataLayout } from './data-directory.ts';

/**
 * Where a replay's database is: an engine directory of its own, so that neither a replay nor a query of one comes near the
 * live tables, and both work while `palisade up` runs. Throws ConfigError for a name that is none.
 */
export function replayDirectory(dataDirectory: string, database: string): string {
  if (!/^[a-z0-9][a-z0-9_-]{0,62}$/u.test(database)) {
    const rule = 'must be 1 to 63 lower-case letters, digits, dashes or underscores';
    throw new ConfigError('--database', 'flag --database', `${rule} (got ${JSON.stringify(database)})`);
  }
  return path.join(dataLayout(dataDirectory).replays, database);
}

/** `/x/Web Shell.avro` → `web-shell`. */
export function databaseNameOf(file: string): string {
  const { name } = path.parse(file);
  const plain = name
    .toLowerCase()
    .replace(/[^a-z0-9_]+/gu, '-')
    .replace(/^[-_]+|-+$/gu, '')
    .slice(0, 63);
  return plain === '' ? 'replay' : plain;
}

/** The directory of a replay that was made. Throws ConfigError where there is none of that name. */
export function existingReplay(dataDirectory: string, database: string): string {
  const directory = replayDirectory(dataDirectory, database);
  if (existsSync(directory)) return directory;
  throw new ConfigError('--database', 'flag --database', `names no replay in ${dataDirectory} (got ${database})`);
}
