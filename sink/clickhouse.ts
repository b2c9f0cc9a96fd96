import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { ClickHouseClient } from '@clickhouse/client';
import type { LogRecord, OffsetRange } from '../eventlog/event-log.ts';
import type { SinkStage } from '../eventlog/stage.ts';
import { nativeBlock } from './native-block.ts';
import { sinkErrorOf } from './sink-error.ts';
import { alertColumns, coverageColumns, type TableColumn } from './table-columns.ts';

/**
 * Rows of one insert, beyond which larger ones are hardly faster: some megabytes of alerts. The runner's batches have 8 MiB of
 * records, and so an insert stays below the 64 MiB that the embedded engine takes, however long the texts are.
 */
export const maxRowsPerInsert = 10_000;

/** Topic alerts → table `alerts_stored`, read as `alerts`. `write` throws SinkError. */
export function alertsSink(client: ClickHouseClient): SinkStage {
  return clickHouseSink(client, {
    name: 'clickhouse-alerts',
    input: 'alerts',
    table: 'alerts_stored',
    columns: alertColumns(),
    rowOf: (record) => (record.topic === 'alerts' ? record.value : undefined),
  });
}

/** Topic coverage → table `coverage_stored`, read as `coverage` and `coverage_gaps`. `write` throws SinkError. */
export function coverageSink(client: ClickHouseClient): SinkStage {
  return clickHouseSink(client, {
    name: 'clickhouse-coverage',
    input: 'coverage',
    table: 'coverage_stored',
    columns: coverageColumns(),
    rowOf: ({ topic, value, partition, offset }) =>
      topic === 'coverage' && value !== undefined ? { coverage: value, partition, offset } : undefined,
  });
}

interface TableSink<Row> {
  readonly name: string;
  readonly input: 'alerts' | 'coverage';
  readonly table: string;
  readonly columns: readonly TableColumn<Row>[];
  readonly rowOf: (record: LogRecord) => Row | undefined;
}

function clickHouseSink<Row>(client: ClickHouseClient, sink: TableSink<Row>): SinkStage {
  const { name, input, table, columns, rowOf } = sink;
  const into = `${table} (${columns.map((column) => column.name).join(', ')})`;
  return {
    name,
    input,
    async write(records, range, signal) {
      const rows = records.map(rowOf).filter((row) => row !== undefined);
      // Cut by number alone: a range that comes again is cut at the same places, so its parts carry the same tokens.
      for (let first = 0; first < rows.length; first += maxRowsPerInsert) {
        const part = rows.slice(first, first + maxRowsPerInsert);
        const body = nativeBlock(columns, part);
        await insert(client, { table, into, body, rows: part.length, token: insertToken(name, range, body) }, signal);
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
  /** The table with its columns. */
  readonly into: string;
  /** Native. */
  readonly body: Buffer;
  readonly rows: number;
  readonly token: string;
}

async function insert(
  client: ClickHouseClient,
  { table, into, body, rows, token }: Insert,
  signal: AbortSignal,
): Promise<void> {
  try {
    // Not `client.insert`, which would make the text a second time: the token needs it first.
    const { stream } = await client.exec({
      query: `INSERT INTO ${into} FORMAT Native`,
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
