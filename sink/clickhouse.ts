import { createHash } from 'node:crypto';
import type { ClickHouseClient } from '@clickhouse/client';
import type { LogRecord, OffsetRange } from '../eventlog/event-log.ts';
import type { SinkStage } from '../eventlog/stage.ts';
import { alertRow, coverageRow, type Row } from './alert-row.ts';
import { sinkErrorOf } from './sink-error.ts';

/**
 * Rows of one insert: at about 2 KB an alert this keeps a request near 20 MB, below what the embedded engine takes at
 * once, and is where larger batches stop being faster.
 */
export const maxRowsPerInsert = 10_000;

/** Topic alerts → table `alerts_stored`, read as `alerts`. `write` throws SinkError. */
export function alertsSink(client: ClickHouseClient): SinkStage {
  return clickHouseSink(client, 'clickhouse-alerts', 'alerts', 'alerts_stored', (record) =>
    record.topic === 'alerts' && record.value !== undefined ? alertRow(record.value) : undefined,
  );
}

/** Topic coverage → table `coverage_stored`, read as `coverage` and `coverage_gaps`. `write` throws SinkError. */
export function coverageSink(client: ClickHouseClient): SinkStage {
  return clickHouseSink(client, 'clickhouse-coverage', 'coverage', 'coverage_stored', (record) =>
    record.topic === 'coverage' && record.value !== undefined ? coverageRow(record.value, record) : undefined,
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
        await insert(client, table, part, insertToken(name, range, part), signal);
      }
    },
  };
}

/**
 * Names an insert so that ClickHouse drops its repetition: the consumer group, the range that was written down before, and
 * the rows' digest. Without the digest, a log that was begun anew (offsets from 0) would have its first alerts dropped as
 * repeats of the old ones.
 */
export function insertToken(group: string, range: OffsetRange, rows: readonly Row[]): string {
  const digest = createHash('sha256').update(JSON.stringify(rows)).digest('hex').slice(0, 32);
  return `${group}/${range.topic}/${range.partition}/${range.first}-${range.last}/${digest}`;
}

async function insert(
  client: ClickHouseClient,
  table: string,
  rows: readonly Row[],
  token: string,
  signal: AbortSignal,
): Promise<void> {
  try {
    await client.insert({
      table,
      values: rows,
      format: 'JSONEachRow',
      clickhouse_settings: {
        insert_deduplicate: 1,
        insert_deduplication_token: token,
        // An asynchronous insert answers before the rows are written, and deduplicates by other rules.
        async_insert: 0,
      },
      abort_signal: signal,
    });
  } catch (error) {
    signal.throwIfAborted();
    throw sinkErrorOf(error, table, rows.length);
  }
}
