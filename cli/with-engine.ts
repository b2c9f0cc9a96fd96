import path from 'node:path';
import { connectClickHouse, type ClickHouseAddress } from '../sink/clickhouse-client.ts';
import { startEmbeddedClickHouse } from '../sink/embedded-clickhouse.ts';
import { findEngineAddress } from '../sink/engine-address.ts';
import type { EngineUser } from '../sink/engine-directory.ts';
import { migrate } from '../sink/migrate.ts';
import { dataLayout, makeDataDirectory } from './data-directory.ts';
import { packageRoot } from './package-root.ts';

/** Which data is asked, and as whom. */
export interface EngineChoice {
  readonly dataDirectory: string;
  /** Whom the engine runs as where none is running yet. */
  readonly runAs: EngineUser | undefined;
}

/**
 * Gives `use` the readers' address of the data directory's engine: of the running one, else of one that is started for it,
 * brought to the newest schema, and ended after it. Throws EngineError and SinkError where there is nothing to ask.
 */
export async function withEngine<Result>(
  { dataDirectory, runAs }: EngineChoice,
  use: (address: ClickHouseAddress) => Promise<Result>,
): Promise<Result> {
  const running = findEngineAddress(dataDirectory);
  if (running !== undefined) return await use(running);
  await makeDataDirectory(dataLayout(dataDirectory));
  await using engine = await startEmbeddedClickHouse({ dataDirectory, runAs });
  const owner = connectClickHouse(engine.owner);
  try {
    // So that the tables are there, if empty, before `up` has run for the first time.
    await migrate(owner, path.join(packageRoot(), 'schemas/clickhouse'));
  } finally {
    await owner.close();
  }
  return await use(engine.reader);
}
