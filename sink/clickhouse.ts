import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { ClickHouseClient } from '@clickhouse/client';
import type { LogRecord, OffsetRange } from '../eventlog/event-log.ts';
import type { SinkStage } from '../eventlog/stage.ts';
import { RowWriter, type Row } from './alert-row.ts';
import { sinkErrorOf } from './sink-error.ts';

/**
 * Rows of one insert: at about 2 KB an alert this keeps a request near 20 MB, below what the embedded engine takes at
 * once, and is where larger batches stop being faster.
 */
export const maxRowsPerInsert = 10_000;

/** Topic alerts → table `alerts_stored`, read as `alerts`. `write` throws SinkError. */
export function alertsSink(client: ClickHouseClient): SinkStage {
  const writer = new RowWriter();
  return clickHouseSink(client, 'clickhouse-alerts', 'alerts', 'alerts_stored', (record) =>
    record.topic === 'alerts' && record.value !== undefined ? writer.alert(record.value) : undefined,
  );
}

/** Topic coverage → table `coverage_stored`, read as `coverage` and `coverage_gaps`. `write` throws SinkError. */
export function coverageSink(client: ClickHouseClient): SinkStage {
  const writer = new RowWriter();
  return clickHouseSink(client, 'clickhouse-coverage', 'coverage', 'coverage_stored', (record) =>
    record.topic === 'coverage' && record.value !== undefined ? writer.coverage(record.value, record) : undefined,
  );
}

function clickHouseSink(
  client: ClickHouseClient,
  name: string,
  input: 'alerts' | 'coverage',
  table: string,
  rowOf: (record: LogRecord) => Row | undefined,
): SinkStage {
  return {
    name,
    input,
    async write(records, range, signal) {
      const rows = records.map(rowOf).filter((row) => row !== undefined);
      // Cut by number alone: a range that comes again is cut at the same places, so its parts carry the same tokens.
      for (let first = 0; first < rows.length; first += maxRowsPerInsert) {
        const part = rows.slice(first, first + maxRowsPerInsert);
        const body = Buffer.from(part.map((row) => JSON.stringify(row)).join('\n'));
        await insert(client, { table, body, rows: part.length, token: insertToken(name, range, body) }, signal);
      }
    },
  };
}

/**
 * Names an insert so that ClickHouse drops its repetition: the consumer group, the range that was written down before, and
 * the rows' digest. Without the digest, a log that was begun anew (offsets from 0) would have its first alerts dropped as
 * repeats of the old ones.
 */
export function insertToken(group: string, range: OffsetRange, body: Uint8Array): string {
  const digest = createHash('sha256').update(body).digest('hex').slice(0, 32);
  return `${group}/${range.topic}/${range.partition}/${range.first}-${range.last}/${digest}`;
}

interface Insert {
  readonly table: string;
  /** JSONEachRow. */
  readonly body: Buffer;
  readonly rows: number;
  readonly token: string;
}

async function insert(
  client: ClickHouseClient,
  { table, body, rows, token }: Insert,
  signal: AbortSignal,
): Promise<void> {
  try {
    // Not `client.insert`, which would make the text a second time: the token needs it first.
    const { stream } = await client.exec({
      query: `INSERT INTO ${table} FORMAT JSONEachRow`,
      values: Readable.from([body], { objectMode: false }),
      clickhouse_settings: {
        insert_deduplicate: 1,
        insert_deduplication_token: token,
        // An asynchronous insert answers before the rows are written, and deduplicates by other rules.
        async_insert: 0,
      },
      abort_signal: signal,
    });
    // The answer has no body, but the connection is free only when it was read.
    await buffer(stream);
  } catch (error) {
    signal.throwIfAborted();
    throw sinkErrorOf(error, table, rows);
  }
}
