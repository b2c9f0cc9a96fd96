import { allowedFormats, allowedFunctions } from './allowed-names.ts';
import {
  insertFormats,
  literal,
  ChdbSession,
  type EngineResult,
  type InsertFormat,
  type Parameters,
} from './chdb-session.ts';
import { accessDenied, EngineException } from './exception.ts';
import { PersonQueries, type AskEngine } from './person-query.ts';
import { textOf } from './request.ts';

/** What a request asks for, whoever sent it. */
export interface EngineRequest {
  readonly query: string;
  /** What follows the query's text in the body of a request that has the query in its URL. */
  readonly body: Uint8Array;
  readonly parameters: Parameters;
  readonly settings: Readonly<Record<string, string>>;
  readonly defaultFormat: string;
}

export interface EngineAnswer extends EngineResult {
  /** The format of `bytes`. */
  readonly format: string;
}

/**
 * Limits of a reader's query. Results are made whole before the answer begins, so that an error has its status: hence the
 * bounds on rows and bytes. Memory leaves a small machine room; the engine counts the output in it, too.
 */
const readerSettings = {
  readonly: 1,
  max_execution_time: 30,
  max_memory_usage: 512 * 2 ** 20,
  max_result_rows: 1_000_000,
  max_result_bytes: 64 * 2 ** 20,
  result_overflow_mode: 'throw',
  // A big sort may spill to disk, but not fill it.
  max_temporary_data_on_disk_size_for_query: 2 ** 30,
  allow_introspection_functions: 0,
  // ORDER BY stands in the subquery that every query is wrapped in.
  query_plan_remove_redundant_sorting: 0,
  output_format_json_quote_64bit_integers: 1,
} as const;

/** Queries that may wait for their turn. One takes 30 s at most, so the last of these waits minutes: more is refused. */
const maxWaitingQueries = 16;

/** Inserts that may wait: one for each partition of both topics of a full-size installation. */
const maxWaitingInserts = 64;

/** Settings that are a matter of the HTTP interface: @clickhouse/client sends some with everything. The engine has none of them. */
const httpSettings = new Set([
  'wait_end_of_query',
  'buffer_size',
  'send_progress_in_http_headers',
  'http_headers_progress_interval_ms',
  'http_response_buffer_size',
  'enable_http_compression',
  'http_zlib_compression_level',
  'cancel_http_readonly_queries_on_client_close',
]);

const insertStatement =
  /^\s*INSERT\s+INTO\s+(?:TABLE\s+)?([A-Za-z0-9_.]+)\s*(?:\(([^()]*)\)\s*)?FORMAT\s+([A-Za-z]+)\s*$/iu;

/** The engine of this process behind its two connections: one for the sink, which may do everything, and one for people. */
export class Executor implements AsyncDisposable {
  readonly #owner: ChdbSession;
  readonly #reader: ChdbSession;
  readonly #queries: PersonQueries;

  private constructor(owner: ChdbSession, reader: ChdbSession, queries: PersonQueries) {
    this.#owner = owner;
    this.#reader = reader;
    this.#queries = queries;
  }

  /** Opens the data. Throws what the engine says where another process has it. */
  static async open(directory: string): Promise<Executor> {
    const owner = new ChdbSession(directory, {
      settings: { output_format_json_quote_64bit_integers: 1 },
      maxWaiting: maxWaitingInserts,
    });
    const reader = new ChdbSession(directory, { settings: readerSettings, maxWaiting: maxWaitingQueries });
    const queries = await reader.exclusively(({ run }) => PersonQueries.open(asker(run), allowedFunctions()));
    return new Executor(owner, reader, queries);
  }

  /** Runs what the sink and the migrations ask for. Throws EngineException. */
  async runAsOwner(request: EngineRequest): Promise<EngineAnswer> {
    const { query, body, parameters, defaultFormat } = request;
    if (/^\s*(?:SET|USE)\b/iu.test(query))
      throw new EngineException(48, 'NOT_IMPLEMENTED', 'There are no sessions: give settings with each request.');
    const settings = engineSettings(request.settings);
    const insert = body.length > 0 ? parseInsert(query) : undefined;
    return this.#owner.exclusively(async ({ run, insert: insertRows }) => {
      if (insert !== undefined) return { ...(await insertRows({ ...insert, settings, body })), format: defaultFormat };
      // Settings of one request: in force for this turn, and gone before the next. After an error the connection is new.
      for (const [name, value] of Object.entries(settings)) await run(`SET ${name} = ${literal(value)}`, {}, 'Null');
      const result = await run(query, parameters, defaultFormat);
      for (const name of Object.keys(settings)) await run(`SET ${name} = DEFAULT`, {}, 'Null');
      return { ...result, format: defaultFormat };
    });
  }

  /** Runs what a person asks for, as far as the confinement lets it. Throws EngineException. */
  async runAsReader(request: EngineRequest): Promise<EngineAnswer> {
    const [setting] = Object.keys(engineSettings(request.settings));
    if (setting !== undefined)
      throw new EngineException(164, 'READONLY', `Cannot modify '${setting}' setting in readonly mode`);
    const text = request.query + (request.body.length > 0 ? `\n${textOf(request.body)}` : '');
    return this.#reader.exclusively(async ({ run }) => {
      const admitted = await this.#queries.admit(text, request.parameters);
      const format = admitted.format ?? request.defaultFormat;
      if (!allowedFormats.has(format)) throw accessDenied(`The format ${format} is not available here.`);
      return { ...(await run(admitted.sql, request.parameters, format)), format };
    });
  }

  /** Waits for what is running, then closes the data. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#owner.idle(), this.#reader.idle()]);
    this.#reader[Symbol.dispose]();
    this.#owner[Symbol.dispose]();
  }
}

/** First columns as strings, by a format in which no byte of a value can end a row. */
function asker(run: (sql: string, parameters: Parameters, format: string) => Promise<EngineResult>): AskEngine {
  return async (sql, parameters) => {
    const { bytes } = await run(sql, parameters, 'JSONCompactEachRow');
    const lines = Buffer.from(bytes).toString('utf8').split('\n');
    return lines.filter((line) => line !== '').map(firstCell);
  };
}

function firstCell(line: string): string {
  const row: unknown = JSON.parse(line);
  const cell: unknown = Array.isArray(row) ? row[0] : undefined;
  if (typeof cell !== 'string') throw new Error(`the engine answered in an unexpected form: ${line.slice(0, 200)}`);
  return cell;
}

/** The settings that are the engine's. Throws EngineException for a name that can't be one. */
function engineSettings(settings: Readonly<Record<string, string>>): Readonly<Record<string, string | number>> {
  const entries = Object.entries(settings).filter(([name]) => !httpSettings.has(name));
  for (const [name] of entries)
    if (!/^[a-z][a-z0-9_]*$/u.test(name))
      throw new EngineException(115, 'UNKNOWN_SETTING', `Unknown setting '${name.slice(0, 100)}'`);
  return Object.fromEntries(entries.map(([name, value]) => [name, /^\d{1,15}$/u.test(value) ? Number(value) : value]));
}

function parseInsert(query: string): {
  readonly table: string;
  readonly columns: readonly string[] | undefined;
  readonly format: InsertFormat;
} {
  const [, table, columns, name] = insertStatement.exec(query) ?? [];
  const format = insertFormats.find((known) => known === name);
  if (table === undefined || format === undefined)
    throw new EngineException(
      48,
      'NOT_IMPLEMENTED',
      `A body of rows is taken by INSERT INTO table (columns) FORMAT one of ${insertFormats.join(', ')}.`,
    );
  return {
    table,
    format,
    columns: columns?.split(',').map((column) => column.trim().replace(/^[`"](.*)[`"]$/u, '$1')),
  };
}
