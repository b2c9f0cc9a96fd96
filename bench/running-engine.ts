import { mkdtemp, chmod, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { ClickHouseClient } from '@clickhouse/client';
import { engineRunsAs } from '../cli/engine.ts';
import { packageRoot } from '../cli/package-root.ts';
import { connectClickHouse } from '../sink/clickhouse-client.ts';
import { startEmbeddedClickHouse, type EmbeddedClickHouse } from '../sink/embedded-clickhouse.ts';
import { migrate } from '../sink/migrate.ts';

/** An engine of its own with the newest schema, on a directory of its own, gone with everything when disposed of. */
export class RunningEngine implements AsyncDisposable {
  /** Writable; `engine` is below it. */
  readonly folder: string;
  readonly client: ClickHouseClient;
  readonly #engine: EmbeddedClickHouse;

  private constructor(folder: string, engine: EmbeddedClickHouse, client: ClickHouseClient) {
    this.folder = folder;
    this.#engine = engine;
    this.client = client;
  }

  static async start(): Promise<RunningEngine> {
    const folder = await mkdtemp(path.join(os.tmpdir(), 'palisade-bench-'));
    try {
      // The engine is another user, who has to come through.
      await chmod(folder, 0o711);
      const engine = await startEmbeddedClickHouse({ dataDirectory: folder, runAs: engineRunsAs() });
      const client = connectClickHouse(engine.owner);
      await migrate(client, path.join(packageRoot(), 'schemas/clickhouse'));
      return new RunningEngine(folder, engine, client);
    } catch (error) {
      await rm(folder, { recursive: true, force: true });
      throw error;
    }
  }

  /** The one number that a query gives. */
  async count(query: string): Promise<number> {
    const answer = await this.client.query({ query, format: 'JSONCompactEachRow' });
    const [row] = await answer.json<readonly (number | string)[]>();
    return Number(row?.[0]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.close();
    await this.#engine[Symbol.asyncDispose]();
    await rm(this.folder, { recursive: true, force: true });
  }
}
