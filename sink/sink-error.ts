import { ClickHouseError } from '@clickhouse/client';
import { PalisadeError } from '../runtime/errors.ts';
import { printable } from '../runtime/printable.ts';

export interface SinkErrorOptions {
  /** Where the rows were to go: a table and an address, never a credential. */
  readonly destination: string;
  /** Rows of the insert that was refused; 0 where there were none. */
  readonly rows: number;
  /** ClickHouse's own error name, such as `UNKNOWN_TABLE`; `undefined` where no answer came. */
  readonly status: string | undefined;
  readonly retriable: boolean;
  readonly cause: unknown;
}

/** ClickHouse did not take what it was given. `retriable`: the same insert may succeed later, unchanged. */
export class SinkError extends PalisadeError {
  readonly destination: string;
  readonly rows: number;
  readonly status: string | undefined;

  constructor(message: string, options: SinkErrorOptions) {
    super('SINK_REFUSED', message, { cause: options.cause, retriable: options.retriable });
    this.destination = options.destination;
    this.rows = options.rows;
    this.status = options.status;
  }
}

/** The embedded engine could not be started, or did not come back. `retriable` where another process holds the data. */
export class EngineError extends PalisadeError {
  constructor(message: string, options: { readonly cause?: unknown; readonly retriable?: boolean } = {}) {
    super('ENGINE_FAILED', message, options);
  }
}

/** A person's query that ClickHouse, or the confinement in front of it, did not run. The message says why. */
export class QueryError extends PalisadeError {
  constructor(message: string, options: { readonly cause?: unknown } = {}) {
    super('QUERY_REFUSED', message, options);
  }
}

/**
 * Names of ClickHouse errors that pass by themselves (src/Common/ErrorCodes.cpp): load, memory, disk, network, a server
 * that is going down. Everything else that it answers would be answered again.
 */
const passingErrors = new Set([
  'ABORTED',
  'ALL_CONNECTION_TRIES_FAILED',
  'CANNOT_ALLOCATE_MEMORY',
  'CANNOT_SCHEDULE_TASK',
  'KEEPER_EXCEPTION',
  'MEMORY_LIMIT_EXCEEDED',
  'NETWORK_ERROR',
  'NOT_ENOUGH_SPACE',
  'NO_FREE_CONNECTION',
  'QUERY_WAS_CANCELLED',
  'SOCKET_TIMEOUT',
  'TABLE_IS_READ_ONLY',
  'TIMEOUT_EXCEEDED',
  'TOO_FEW_LIVE_REPLICAS',
  'TOO_MANY_PARTS',
  'TOO_MANY_SIMULTANEOUS_QUERIES',
  'UNKNOWN_STATUS_OF_INSERT',
]);

/**
 * Names that it gives to what the file system refused. In the midst of an insert a full disk comes as one of these, with the
 * system's words; in errors of other names those words may be an attacker's.
 */
const fileErrors = new Set([
  'CANNOT_CLOSE_FILE',
  'CANNOT_CREATE_DIRECTORY',
  'CANNOT_FSYNC',
  'CANNOT_OPEN_FILE',
  'CANNOT_TRUNCATE_FILE',
  'CANNOT_WRITE_TO_FILE_DESCRIPTOR',
  'STD_EXCEPTION',
]);

/** strerror(3) of ENOSPC and EDQUOT. */
const fullDiskWords = /No space left on device|Disk quota exceeded/u;

/** Makes a SinkError of whatever @clickhouse/client threw: without an answer retriable, else by the error's name. */
export function sinkErrorOf(thrown: unknown, destination: string, rows: number): SinkError {
  const what = rows === 0 ? `Changing ${destination}` : `Inserting ${rows} rows into ${destination}`;
  const answer = printable(thrown instanceof Error ? thrown.message : String(thrown));
  if (thrown instanceof ClickHouseError) {
    const status = thrown.type ?? `code ${thrown.code}`;
    const isFull = status === 'NOT_ENOUGH_SPACE' || (fileErrors.has(status) && fullDiskWords.test(answer));
    const retriable = isFull || passingErrors.has(status);
    const remedy = isFull ? '; the disk of the ClickHouse data is full: with room on it, it goes on by itself' : '';
    return new SinkError(`${what} failed: ${answer} (${status})${remedy}`, {
      destination,
      rows,
      status,
      retriable,
      cause: thrown,
    });
  }
  // Refused, reset, timed out, or an answer that is not ClickHouse's, as a proxy's 502: the server was not reached.
  return new SinkError(`${what} failed: ${answer}`, {
    destination,
    rows,
    status: undefined,
    retriable: true,
    cause: thrown,
  });
}
