import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { processStartTicks } from '../runtime/process-start.ts';
import { EventLogError } from './errors.ts';
import { assertNodeSupported } from './sqlite-layout.ts';
import { storageError } from './storage-error.ts';

/** Who owns a log. A pid alone is not enough: it may have been given to another process since. */
interface Owner {
  readonly pid: number;
  /** Clock ticks from boot to the process's start: field 22 of /proc/PID/stat (proc_pid_stat(5)). */
  readonly startTicks: number;
}

/** A new owner writes its name right after it has the lock: this long we look for it, milliseconds. */
const namingMs = 1000;

/**
 * The one ownership of a log's directory. What decides is a lock that the kernel holds for the process (SQLite's on
 * `owner.lock`, an fcntl lock) and drops when it dies, however it dies: nothing is ever stale, and two who take over at
 * once cannot both succeed. `owner.json` says whose it is, for the message to those who are refused.
 */
export class Ownership {
  /** The owner before did not give it back: it was killed, or its machine stopped. */
  readonly followsKilled: boolean;
  readonly #lock: Database.Database;
  readonly #namePath: string;

  private constructor(lock: Database.Database, namePath: string, followsKilled: boolean) {
    this.followsKilled = followsKilled;
    this.#lock = lock;
    this.#namePath = namePath;
  }

  /** Makes the directory where it is not there. Throws `EVENT_LOG_OWNED`, with the owner's pid. */
  static async take(directory: string): Promise<Ownership> {
    assertNodeSupported();
    let lock: Database.Database;
    try {
      mkdirSync(directory, { recursive: true, mode: 0o700 });
      lock = new Database(join(directory, 'owner.lock'), { timeout: 0 });
    } catch (cause) {
      throw cannotTake(directory, cause);
    }
    const namePath = join(directory, 'owner.json');
    try {
      // A write lock on a database without content: one holder, and no file is written.
      lock.exec('BEGIN IMMEDIATE');
    } catch (cause) {
      lock.close();
      if (cause instanceof Database.SqliteError && cause.code === 'SQLITE_BUSY')
        throw await owned(directory, namePath, cause);
      throw cannotTake(directory, cause);
    }
    const followsKilled = existsSync(namePath);
    const owner: Owner = { pid: process.pid, startTicks: Number(processStartTicks(process.pid)) };
    const written = `${namePath}.${process.pid}`;
    try {
      writeFileSync(written, `${JSON.stringify(owner)}\n`);
      renameSync(written, namePath);
    } catch (cause) {
      rmSync(written, { force: true });
      lock.close();
      throw cannotTake(directory, cause);
    }
    return new Ownership(lock, namePath, followsKilled);
  }

  release(): void {
    rmSync(this.#namePath, { force: true });
    this.#lock.close();
  }
}

/** Pid of the process that owns the log of `directory` now; `undefined` where nobody does. For those who only want to know. */
export function ownerOf(directory: string): number | undefined {
  return liveOwner(join(directory, 'owner.json'))?.pid;
}

/** Nothing is in the lock's file: where that is not so, it may go. */
function cannotTake(directory: string, cause: unknown): EventLogError {
  const lockPath = join(directory, 'owner.lock');
  if (cause instanceof Database.SqliteError && cause.code === 'SQLITE_NOTADB') {
    const message = `cannot take the event log in ${directory}: ${lockPath} should be empty and is not: remove that file`;
    return new EventLogError('EVENT_LOG_FAILED', message, { cause, path: lockPath });
  }
  return storageError(cause, lockPath, `cannot take the event log in ${directory}`);
}

async function owned(directory: string, namePath: string, cause: unknown): Promise<EventLogError> {
  let owner = liveOwner(namePath);
  const untilMs = performance.now() + namingMs;
  while (owner === undefined && performance.now() < untilMs) {
    await delay(20);
    owner = liveOwner(namePath);
  }
  const who = owner === undefined ? 'another process' : `process ${owner.pid}`;
  return new EventLogError(
    'EVENT_LOG_OWNED',
    `the event log in ${directory} is in use by ${who}: stop it first, or give another data directory`,
    { cause },
  );
}

/** The named owner, where that very process is alive. */
function liveOwner(namePath: string): Owner | undefined {
  let owner: unknown;
  try {
    owner = JSON.parse(readFileSync(namePath, 'utf8'));
  } catch {
    // Not there, or left empty by a machine that stopped: nobody is named.
    return undefined;
  }
  if (typeof owner !== 'object' || owner === null || !('pid' in owner) || !('startTicks' in owner)) return undefined;
  const { pid, startTicks } = owner;
  if (typeof pid !== 'number' || typeof startTicks !== 'number') return undefined;
  return Number(processStartTicks(pid)) === startTicks ? { pid, startTicks } : undefined;
}
