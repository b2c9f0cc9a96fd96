import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { ClickHouseClient } from '@clickhouse/client';
import type { LogRecord, OffsetRange } from '../eventlog/event-log.ts';
import { nextTurn } from '../eventlog/next-turn.ts';
import type { SinkStage } from '../eventlog/stage.ts';
import { avroTypeNamed } from '../schemas/avro-types.ts';
import { topics } from '../schemas/topics.ts';
import { sinkErrorOf } from './sink-error.ts';
import { beginAlerts, beginCoverage, type TableRows } from './table-columns.ts';

/**
 * Rows of one insert, beyond which larger ones are hardly faster: some megabytes of alerts. The runner's batches have 8 MiB of
 * records, and so an insert stays below the 64 MiB that the embedded engine takes, however long the texts are.
 */
export const maxRowsPerInsert = 10_000;

/** After so many rows others have their turn: about a millisecond, or an insert that is underway would wait for its own bytes. */
const rowsPerTurn = 128;

/** Topic alerts → table `alerts_stored`, read as `alerts`. What `prepare` returns throws SinkError. */
export function alertsSink(client: ClickHouseClient): SinkStage {
  return clickHouseSink(client, {
    name: 'clickhouse-alerts',
    input: 'alerts',
    table: 'alerts_stored',
    begin: beginAlerts,
  });
}

/** Topic coverage → table `coverage_stored`, read as `coverage` and `coverage_gaps`. What `prepare` returns throws SinkError. */
export function coverageSink(client: ClickHouseClient): SinkStage {
  return clickHouseSink(client, {
    name: 'clickhouse-coverage',
    input: 'coverage',
    table: 'coverage_stored',
    begin: beginCoverage,
  });
}

interface TableSink {
  readonly name: string;
  readonly input: 'alerts' | 'coverage';
  readonly table: string;
  readonly begin: () => TableRows;
}

function clickHouseSink(client: ClickHouseClient, sink: TableSink): SinkStage {
  const { name, input, table } = sink;
  const into = `${table} (${sink.begin().block.columnNames.join(', ')})`;
  return {
    name,
    input,
    async prepare(records) {
      const parts = await partsOf(records, sink);
      return async (range, signal) => {
        for (const { body, rows } of parts) {
          await insert(client, { table, into, body, rows, token: insertToken(name, range, body) }, signal);
        }
      };
    },
  };
}

interface Part {
  /** Native. */
  readonly body: Buffer;
  readonly rows: number;
}

function encodedValueOf(record: LogRecord): Uint8Array | undefined {
  if ('encodedValue' in record) return record.encodedValue;
  return record.value === undefined ? undefined : avroTypeNamed(topics[record.topic].valueType).toBuffer(record.value);
}

/** Cut by number alone: a range that comes again is cut at the same places, so its parts carry the same tokens. */
async function partsOf(records: readonly LogRecord[], { begin }: TableSink): Promise<readonly Part[]> {
  const parts: Part[] = [];
  let rows = begin();
  const end = (): void => {
    if (rows.block.rows > 0) parts.push({ body: rows.block.take(), rows: rows.block.rows });
    rows = begin();
  };
  let taken = 0;
  for (const record of records) {
    const encodedValue = encodedValueOf(record);
    // A tombstone has none.
    if (encodedValue === undefined) continue;
    rows.add(record, encodedValue);
    if (rows.block.rows === maxRowsPerInsert) end();
    if (++taken % rowsPerTurn === 0) await nextTurn();
  }
  end();
  return parts;
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
