import path from 'node:path';
import type { ClickHouseClient } from '@clickhouse/client';
import type { Logger } from '../runtime/logger.ts';
import { connectClickHouse } from '../sink/clickhouse-client.ts';
import { startEmbeddedClickHouse } from '../sink/embedded-clickhouse.ts';
import { migrate } from '../sink/migrate.ts';
import { engineRunsAs, logEngineEvent } from './engine.ts';
import { packageRoot } from './package-root.ts';

/** A running engine with the newest schema, for sinks. Disposing of it, once or again, closes the client and stops the engine. */
export interface OwnClickHouse extends AsyncDisposable {
  /** May do everything. */
  readonly client: ClickHouseClient;
}

/**
 * Starts the engine of a data directory, of which this process is then the owner. What happens to it is logged; `onSpawned` is
 * told of each process of it before that has done anything. Throws EngineError and SinkError.
 */
export async function openClickHouse(
  dataDirectory: string,
  logger: Logger,
  onSpawned: (pid: number) => void = () => undefined,
): Promise<OwnClickHouse> {
  await using opened = new AsyncDisposableStack();
  const engine = opened.use(
    await startEmbeddedClickHouse({
      dataDirectory,
      runAs: engineRunsAs(),
      report: (event) => {
        if (event.kind === 'spawned') onSpawned(event.pid);
        else logEngineEvent(logger, event);
      },
    }),
  );
  const client = connectClickHouse(engine.owner);
  opened.defer(() => client.close());
  await migrate(client, path.join(packageRoot(), 'schemas/clickhouse'));
  const kept = opened.move();
  return { client, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}
