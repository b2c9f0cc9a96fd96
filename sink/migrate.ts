import { createHash } from 'node:crypto';
import { readFile, readdir } from 'node:fs/promises';
import path from 'node:path';
import type { ClickHouseClient } from '@clickhouse/client';
import { SinkError, sinkErrorOf } from './sink-error.ts';

/** One file of schemas/clickhouse. */
export interface Migration {
  readonly version: number;
  readonly file: string;
  readonly statements: readonly string[];
  /** SHA-256 of the file, hexadecimal. */
  readonly digest: string;
}

/**
 * Where it is written which migrations a database has had. A crash between a statement and its row here repeats the
 * migration, so every statement must bear repetition (IF NOT EXISTS).
 */
const journal = `CREATE TABLE IF NOT EXISTS palisade_migrations
(
    version UInt32,
    file String,
    digest String,
    applied_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree
ORDER BY version`;

/**
 * Brings a database to the newest schema: applies, in order, the migrations of `directory` that it has not had. Returns
 * the versions that were applied. Two that run at once do no harm. Throws SinkError: not retriable where the database is
 * newer than this program, or where a migration that was applied has been edited.
 */
export async function migrate(client: ClickHouseClient, directory: string): Promise<readonly number[]> {
  const migrations = await readMigrations(directory);
  await run(client, journal, 'palisade_migrations');
  const applied = await appliedMigrations(client);
  checkHistory(migrations, applied);
  const pending = migrations.filter(({ version }) => !applied.has(version));
  for (const { version, file, statements, digest } of pending) {
    for (const statement of statements) await run(client, statement, file);
    try {
      await client.insert({
        table: 'palisade_migrations',
        values: [{ version, file, digest }],
        format: 'JSONEachRow',
      });
    } catch (error) {
      throw sinkErrorOf(error, 'palisade_migrations', 1);
    }
  }
  return pending.map(({ version }) => version);
}

/** Reads `NNNN-name.sql` files, in the order of their numbers. A statement ends with a semicolon at a line's end. */
export async function readMigrations(directory: string): Promise<readonly Migration[]> {
  const files = (await readdir(directory)).filter((file) => /^\d{4}-[a-z0-9-]+\.sql$/u.test(file)).sort();
  return Promise.all(
    files.map(async (file) => {
      const text = await readFile(path.join(directory, file), 'utf8');
      return {
        version: Number(file.slice(0, 4)),
        file,
        statements: splitStatements(text),
        digest: createHash('sha256').update(text).digest('hex'),
      };
    }),
  );
}

/** Cuts a migration into statements. Comments are whole lines that begin with `--`, and are left out. */
export function splitStatements(text: string): readonly string[] {
  return text
    .replace(/^--.*$/gmu, '')
    .split(/;[ \t]*$/mu)
    .map((statement) => statement.trim())
    .filter((statement) => statement !== '');
}

interface AppliedMigration {
  readonly version: number;
  readonly file: string;
  readonly digest: string;
}

function checkHistory(migrations: readonly Migration[], applied: ReadonlyMap<number, AppliedMigration>): void {
  for (const { version, file, digest } of applied.values()) {
    const known = migrations.find((migration) => migration.version === version);
    const problem =
      known === undefined
        ? `has had migration ${file}, which this version of Palisade does not know: its own go up to ${migrations.at(-1)?.version ?? 0}; run the newer version that made it. Nothing was changed`
        : known.digest === digest
          ? undefined
          : `has had migration ${file} in another wording than it has now; migrations are never edited, add a new one`;
    if (problem !== undefined)
      throw new SinkError(`The ClickHouse database ${problem}.`, {
        destination: 'palisade_migrations',
        rows: 0,
        status: undefined,
        retriable: false,
        cause: undefined,
      });
  }
}

async function appliedMigrations(client: ClickHouseClient): Promise<ReadonlyMap<number, AppliedMigration>> {
  try {
    const result = await client.query({
      query: 'SELECT version, file, digest FROM palisade_migrations FINAL ORDER BY version',
      format: 'JSONEachRow',
    });
    const rows = await result.json<AppliedMigration>();
    return new Map(rows.map((row) => [row.version, row]));
  } catch (error) {
    throw sinkErrorOf(error, 'palisade_migrations', 0);
  }
}

async function run(client: ClickHouseClient, statement: string, destination: string): Promise<void> {
  try {
    await client.command({ query: statement });
  } catch (error) {
    throw sinkErrorOf(error, destination, 0);
  }
}
