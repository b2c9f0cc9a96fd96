import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import Database from 'better-sqlite3';
import { printable } from '../runtime/printable.ts';
import { EventLogError } from './errors.ts';

/** System errors of a write for which there is no room, on the file system or in a quota. */
const noRoom = ['ENOSPC', 'EDQUOT'];

/**
 * SQLite's codes for calls that fail for want of room without saying so (os_unix.c, 3.54: only `write` is looked at for ENOSPC):
 * growing shared memory, opening a file anew, a write beyond a quota, and writes that the file system put off until an fsync.
 */
const mayMeanNoRoom = ['SQLITE_IOERR_SHMSIZE', 'SQLITE_IOERR_WRITE', 'SQLITE_IOERR_FSYNC', 'SQLITE_CANTOPEN'];

/** With less free than some pages of the log, such a code means a full disk. */
const fullBelowBytes = 1 << 20;

const damage = ['SQLITE_CORRUPT', 'SQLITE_NOTADB'];

/**
 * What the file system or SQLite refused about `path`, as the log's error: `DISK_FULL`, which may pass, `EVENT_LOG_DAMAGED`, or
 * `EVENT_LOG_FAILED`. `doing`: what failed, to begin the message with.
 */
export function storageError(cause: unknown, path: string, doing: string): EventLogError {
  if (cause instanceof EventLogError) return cause;
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  const answer = `${cause instanceof Error ? cause.message : String(cause)}${code.startsWith('SQLITE_') ? ` (${code})` : ''}`;
  const freeBytes = freeBytesAt(path);
  if (isFull(code, freeBytes)) {
    const free = freeBytes === undefined ? '' : `, ${freeBytes} bytes are free there`;
    return new EventLogError(
      'DISK_FULL',
      `${doing}: the disk is full: ${printable(path)} cannot grow${free}. Make room on its file system; what was acknowledged is kept`,
      { cause, path, freeBytes, retriable: true },
    );
  }
  if (damage.some((known) => code.startsWith(known))) return damaged(path, `${doing}: `, answer, cause);
  const isBusy = cause instanceof Database.SqliteError && code.startsWith('SQLITE_BUSY');
  const options = { cause, path, retriable: isBusy };
  return new EventLogError('EVENT_LOG_FAILED', `${doing}: ${printable(path)}: ${answer}`, options);
}

/** The error of a file that is no log any more. `reason`: how that shows. `doing`: as above, or empty. */
export function damaged(path: string, doing: string, reason: string, cause?: unknown): EventLogError {
  return new EventLogError(
    'EVENT_LOG_DAMAGED',
    `${doing}the event log ${printable(path)} is damaged: ${reason}. Palisade leaves it as it is. \`palisade record --from-log\` ` +
      `saves what can be read; with the folder ${printable(dirname(path))} moved away, the next start begins a new log`,
    { cause, path },
  );
}

function isFull(code: string, freeBytes: number | undefined): boolean {
  if (noRoom.includes(code) || code.startsWith('SQLITE_FULL')) return true;
  return freeBytes !== undefined && freeBytes < fullBelowBytes && mayMeanNoRoom.some((known) => code.startsWith(known));
}

/** Bytes that this user may still write beside `path`. */
function freeBytesAt(path: string): number | undefined {
  try {
    const { bavail, bsize } = statfsSync(dirname(path));
    return bavail * bsize;
  } catch {
    // The folder itself is gone or closed to us: the message does without.
    return undefined;
  }
}
