import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import type { Readable, Writable } from 'node:stream';
import { ClickHouseError, type DataFormat } from '@clickhouse/client';
import { printable } from '../runtime/printable.ts';
import { connectClickHouse, type ClickHouseAddress } from '../sink/clickhouse-client.ts';
import { QueryError, sinkErrorOf } from '../sink/sink-error.ts';
import { exitCodes, type ExitCode } from './exit-codes.ts';
import { renderTable } from './table.ts';
import { withEngine, type EngineChoice } from './with-engine.ts';

export interface SqlOptions extends EngineChoice {
  /** One statement: SELECT, EXPLAIN, DESCRIBE or SHOW, with or without FORMAT. */
  readonly query: string;
  /** JSONEachRow: one object a row. */
  readonly json: boolean;
  /** A ClickHouse output format, for a query without FORMAT. Default: a table on a terminal, else TabSeparatedWithNames. */
  readonly format: string | undefined;
  readonly output: Writable;
  /** Whether a person's terminal is at the other end of `output`: then nothing that could steer it is written. */
  readonly isTerminal: boolean;
  /** Columns of the terminal. */
  readonly columns: number;
}

/** What a table is made of. Asked for by name, so that an answer in another format shows that the query chose it. */
const tableFormat: DataFormat = 'JSONCompactEachRowWithNames';

/**
 * Runs a person's query on the data directory's engine: the running one, else one that is started for it and ended
 * after it. Throws QueryError where the query was not run, EngineError and SinkError where there is nothing to run it.
 */
export async function runSql(options: SqlOptions): Promise<ExitCode> {
  await withEngine(options, (address) => runOn(address, options));
  return exitCodes.done;
}

async function runOn(address: ClickHouseAddress, options: SqlOptions): Promise<void> {
  const client = connectClickHouse(address);
  const asked = options.json ? 'JSONEachRow' : options.format;
  const defaultFormat = asked ?? (options.isTerminal ? tableFormat : 'TabSeparatedWithNames');
  try {
    const answer = await client.exec({
      query: options.query,
      // A name from a person: the engine knows which exist, and says so.
      clickhouse_settings: { default_format: defaultFormat as DataFormat },
    });
    const format = String(answer.response_headers['x-clickhouse-format'] ?? '');
    await show(answer.stream, format, asked === undefined, options);
  } catch (error) {
    throw sqlErrorOf(error, address.url);
  } finally {
    await client.close();
  }
}

async function show(stream: Readable, format: string, asTable: boolean, options: SqlOptions): Promise<void> {
  const { output, isTerminal, columns } = options;
  if (!isTerminal) {
    // The bytes as they are: a file or a program is at the other end.
    await pipeline(stream, output, { end: false });
    return;
  }
  const answer = await text(stream);
  const shown =
    asTable && format === tableFormat ? renderTable(readRows(answer), columns) : terminalText(answer, format);
  if (!output.write(shown)) await once(output, 'drain');
}

function readRows(answer: string): readonly (readonly unknown[])[] {
  const lines = answer.split('\n').filter((line) => line !== '');
  return lines.map((line) => JSON.parse(line) as readonly unknown[]);
}

/** In JSON an escape keeps the value; elsewhere what could steer the terminal is made visible. Lines stay lines. */
function terminalText(answer: string, format: string): string {
  if (format.startsWith('JSON'))
    return answer.replace(/[\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/gu, jsonEscape);
  const lines = answer.replace(/\n$/u, '').split('\n');
  return `${lines.map((line) => line.split('\t').map(printable).join('\t')).join('\n')}\n`;
}

function jsonEscape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

function sqlErrorOf(error: unknown, destination: string): Error {
  if (!(error instanceof ClickHouseError)) return sinkErrorOf(error, destination, 0);
  // The engine names the statement that it was given, which is a person's own wrapped in ours.
  const message = error.message.replace(/: In scope [\s\S]*$/u, '').trim();
  return new QueryError(`The query was not run: ${message.replace(/^The query was not run: /u, '')}`, { cause: error });
}
