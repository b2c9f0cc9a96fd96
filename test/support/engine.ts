import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { ClickHouseClient } from '@clickhouse/client';
import { packageRoot } from '../../cli/package-root.ts';
import { connectClickHouse } from '../../sink/clickhouse-client.ts';
import { startEmbeddedClickHouse, type EmbeddedClickHouse, type EngineEvent } from '../../sink/embedded-clickhouse.ts';
import { findUser, type EngineUser } from '../../sink/engine-directory.ts';
import { migrate } from '../../sink/migrate.ts';

export const migrationsDirectory = path.join(packageRoot(), 'schemas/clickhouse');

/** Whom the engine runs as in tests: another user where there is a choice, as in earnest. */
export function testUser(): EngineUser | undefined {
  if (process.getuid?.() !== 0) return undefined;
  return findUser('palisade') ?? findUser('nobody');
}

/** A directory that other users may pass through, since the engine is one. Remove it with `rmSync`. */
export function engineDirectory(): string {
  const directory = mkdtempSync(path.join(tmpdir(), 'palisade-engine-'));
  chmodSync(directory, 0o711);
  return directory;
}

/** A running engine with the newest schema, and a client for each of its users. Disposing of it leaves nothing. */
export interface TestEngine extends AsyncDisposable {
  readonly dataDirectory: string;
  readonly engine: EmbeddedClickHouse;
  /** What was reported of it so far. */
  readonly events: readonly EngineEvent[];
  readonly owner: ClickHouseClient;
  readonly reader: ClickHouseClient;
}

/** In a directory of its own, or in one that is given, which other users may pass through. */
export async function startTestEngine(dataDirectory = engineDirectory()): Promise<TestEngine> {
  const events: EngineEvent[] = [];
  const remove = () => {
    rmSync(dataDirectory, { recursive: true, force: true });
  };
  const engine = await startEmbeddedClickHouse({
    dataDirectory,
    runAs: testUser(),
    report: (event) => events.push(event),
  }).catch((error: unknown) => {
    remove();
    throw error;
  });
  const owner = connectClickHouse(engine.owner);
  const reader = connectClickHouse(engine.reader);
  await migrate(owner, migrationsDirectory);
  return {
    dataDirectory,
    engine,
    events,
    owner,
    reader,
    [Symbol.asyncDispose]: async () => {
      await Promise.all([owner.close(), reader.close()]);
      await engine[Symbol.asyncDispose]();
      remove();
    },
  };
}

/** The rows of a query, as JSON has them. */
export async function rowsOf<Row>(client: ClickHouseClient, query: string): Promise<readonly Row[]> {
  const result = await client.query({ query, format: 'JSONEachRow' });
  return result.json<Row>();
}
