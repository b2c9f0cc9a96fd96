import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Session } from 'chdb';
import { engineExceptionOf, EngineException } from './exception.ts';

/** What came of a statement. */
export interface EngineResult {
  readonly bytes: Uint8Array;
  readonly readRows: number;
  readonly readBytes: number;
  readonly writtenRows: number;
  readonly writtenBytes: number;
  readonly elapsedNs: number;
}

/** Values of `{name:Type}`, not escaped: text as it is meant, `null` for NULL. */
export type Parameters = Readonly<Record<string, string | null>>;

/** An `INSERT INTO table FORMAT name`, whose rows follow in the body. */
export interface RawInsert {
  readonly table: string;
  readonly columns: readonly string[] | undefined;
  readonly format: InsertFormat;
  readonly settings: Readonly<Record<string, string | number>>;
  readonly body: Uint8Array;
}

/** Formats that rows are taken in: Native by a file on the way, the others by the binding. */
export const insertFormats = [
  'Native',
  'JSONEachRow',
  'JSONCompactEachRow',
  'CSV',
  'CSVWithNames',
  'TSV',
  'TabSeparated',
] as const;
export type InsertFormat = (typeof insertFormats)[number];

/**
 * One connection to the engine of this process. The engine runs statements off the event loop; a connection runs one at a
 * time, in the order they came, and at most `maxWaiting` wait: a setting made for one statement can't reach another. Two
 * connections run side by side, so a reader's long SELECT does not hold up the sink.
 */
export class ChdbSession implements Disposable {
  readonly #directory: string;
  readonly #open: () => Session;
  #session: Session;
  readonly #maxWaiting: number;
  #waiting = 0;
  #tail: Promise<unknown> = Promise.resolve();

  /** Opens `directory`, which one process at a time may do. `settings` hold for the whole life of the connection. */
  constructor(
    directory: string,
    options: { readonly settings: Readonly<Record<string, string | number>>; readonly maxWaiting: number },
  ) {
    this.#directory = directory;
    const connectionArgs = Object.entries(options.settings).map(([name, value]) => `--${name}=${value}`);
    this.#open = () => new Session(directory, { connectionArgs });
    this.#session = this.#open();
    this.#maxWaiting = options.maxWaiting;
  }

  /** Runs `work` when everything before it is done. Throws EngineException: what the engine said, or that too many wait. */
  async exclusively<Result>(work: (statements: Statements) => Promise<Result>): Promise<Result> {
    if (this.#waiting >= this.#maxWaiting)
      throw new EngineException(202, 'TOO_MANY_SIMULTANEOUS_QUERIES', `${this.#waiting} queries wait already.`, {
        status: 503,
      });
    this.#waiting += 1;
    const turn = this.#tail.then(() => this.#turn(work));
    // The next one's turn comes whatever became of this one; who asked for this one gets its error.
    this.#tail = turn.catch(() => undefined);
    try {
      return await turn;
    } catch (error) {
      throw engineExceptionOf(error);
    } finally {
      this.#waiting -= 1;
    }
  }

  /**
   * After an error the connection is opened anew. What a statement had put out before it failed stays in the connection
   * (chDB 3.4: seen with max_result_rows), and would stand before the next answer, another reader's or the confinement's.
   */
  async #turn<Result>(work: (statements: Statements) => Promise<Result>): Promise<Result> {
    try {
      return await work(this.#statements);
    } catch (error) {
      const spoiled = this.#session;
      // First the new one: the engine shuts down with its last connection.
      this.#session = this.#open();
      spoiled.close();
      throw error;
    }
  }

  /** Resolves when nothing is running or waiting. */
  async idle(): Promise<void> {
    await this.#tail;
  }

  [Symbol.dispose](): void {
    this.#session.close();
  }

  /**
   * Binary rows behind a statement would end at the first empty line among them (chDB 3.4, seen), and the binding takes none. So
   * they come by a file, which the engine reads five times faster than it parses JSON.
   */
  async #insertNative({ table, columns, settings, body }: Omit<RawInsert, 'format'>): Promise<EngineResult> {
    if (columns?.every((column) => isName(column)) !== true)
      throw new EngineException(36, 'BAD_ARGUMENTS', 'An insert in the format Native has to name its columns.');
    // One at a time: this connection runs one statement at a time, and is the only one that may write.
    const file = path.join(this.#directory, 'insert.native');
    try {
      await writeFile(file, body, { mode: 0o600 }).catch((error: unknown) => {
        throw notWritten(error);
      });
      const names = columns.join(', ');
      const given = Object.entries(settings).map(([name, value]) => `${name} = ${literal(value)}`);
      const clause = given.length === 0 ? '' : ` SETTINGS ${given.join(', ')}`;
      const sql = `INSERT INTO ${table} (${names})${clause} SELECT ${names} FROM file(${literal(file)}, Native)`;
      const { rowsRead, elapsed } = await this.#session.queryAsync(sql, { format: 'Null' });
      return {
        bytes: new Uint8Array(0),
        readRows: rowsRead,
        readBytes: body.length,
        writtenRows: rowsRead,
        writtenBytes: body.length,
        elapsedNs: Math.round(elapsed * 1e9),
      };
    } finally {
      await rm(file, { force: true });
    }
  }

  readonly #statements: Statements = {
    run: async (sql, parameters, format) => {
      const bound = Object.keys(parameters).length > 0;
      const result = bound
        ? await this.#session.queryBindAsync(sql, parameters, { format })
        : await this.#session.queryAsync(sql, { format });
      const nothingWritten = { writtenRows: 0, writtenBytes: 0 };
      return {
        bytes: result.bytes(),
        readRows: result.rowsRead,
        readBytes: result.bytesRead,
        elapsedNs: Math.round(result.elapsed * 1e9),
        ...nothingWritten,
      };
    },
    insert: async ({ table, columns, format, settings, body }) => {
      if (format === 'Native') return this.#insertNative({ table, columns, settings, body });
      const summary = await this.#session.insert({
        table,
        format,
        settings,
        values: body,
        ...(columns === undefined ? {} : { columns }),
      });
      return {
        bytes: new Uint8Array(0),
        readRows: summary.rowsWritten,
        readBytes: body.length,
        writtenRows: summary.rowsWritten,
        writtenBytes: summary.bytesWritten,
        elapsedNs: Math.round(summary.elapsed * 1e9),
      };
    },
  };
}

/** What may be done within one turn. */
export interface Statements {
  readonly run: (sql: string, parameters: Parameters, format: string) => Promise<EngineResult>;
  readonly insert: (insert: RawInsert) => Promise<EngineResult>;
}

/** Rows that found no room, or no way to the disk, on their way: it is the machine that refuses, and it may pass. */
function notWritten(error: unknown): EngineException {
  const { code } = error as NodeJS.ErrnoException;
  const text = `the rows of an insert could not be written to the disk: ${String(error)}`;
  return code === 'ENOSPC' || code === 'EDQUOT'
    ? new EngineException(243, 'NOT_ENOUGH_SPACE', text, { cause: error })
    : new EngineException(236, 'ABORTED', text, { cause: error });
}

/** A name that needs no quotes. */
function isName(text: string): boolean {
  return /^[A-Za-z_][A-Za-z0-9_]*$/u.test(text);
}

/** A value in a statement. */
export function literal(value: string | number): string {
  return typeof value === 'number' ? String(value) : `'${value.replace(/[\\']/gu, '\\$&')}'`;
}
