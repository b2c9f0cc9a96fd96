import { constants } from 'node:fs';
import { access, open, realpath, rename, rm, stat } from 'node:fs/promises';
import { EventLogError } from '../eventlog/errors.ts';
import { storageError } from '../eventlog/storage-error.ts';
import { printable } from '../runtime/printable.ts';

/**
 * Where a capture is written until it is whole: `FILE.partial`, beside the file that it becomes at the end, so that an earlier
 * capture of that name is there until then, whatever goes wrong. What is no file (a pipe, a device) is written as it is.
 */
export class CaptureTarget {
  /** What to write. */
  readonly path: string;
  /** The name that it gets; `undefined`: it has it already. */
  readonly #final: string | undefined;

  private constructor(path: string, final: string | undefined) {
    this.path = path;
    this.#final = final;
  }

  /**
   * Makes the empty file, for its owner alone. Throws `EVENT_LOG_FAILED` where it may not be made or one is there, since that is
   * all that is left of a recording that was killed, or another's at this moment; and `DISK_FULL`.
   */
  static async begin(file: string): Promise<CaptureTarget> {
    let path = file;
    try {
      const there = await stat(file).catch(unlessMissing);
      if (there !== undefined && !there.isFile() && !there.isDirectory()) return new CaptureTarget(file, undefined);
      // Of a link, what it leads to is replaced.
      const final = there === undefined ? file : await realpath(file);
      // Renaming would not ask. Also refuses a folder, as opening it would.
      if (there?.isDirectory() === true) await (await open(final, constants.O_WRONLY)).close();
      else if (there !== undefined) await access(final, constants.W_OK);
      path = `${final}.partial`;
      await (await open(path, 'wx', 0o600)).close();
      return new CaptureTarget(path, final);
    } catch (cause) {
      if (isSystemError(cause, 'EEXIST')) throw leftBehind(path, cause);
      throw storageError(cause, path, 'cannot begin the capture');
    }
  }

  /** Gives it its name, in the place of an earlier file. Throws `EVENT_LOG_FAILED` and `DISK_FULL`: then it keeps that of before. */
  async keep(): Promise<void> {
    if (this.#final === undefined) return;
    try {
      // First: a power cut may otherwise leave the new name with nothing behind it.
      const handle = await open(this.path, 'r+');
      try {
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(this.path, this.#final);
    } catch (cause) {
      const doing = `the capture is whole, and can't be given the name ${printable(this.#final)}`;
      throw storageError(cause, this.path, doing);
    }
  }

  /** Removes it: there is nothing in it that anybody could want. */
  async discard(): Promise<void> {
    if (this.#final !== undefined) await rm(this.path, { force: true });
  }
}

function leftBehind(path: string, cause: unknown): EventLogError {
  const message =
    `cannot begin the capture: ${printable(path)} is there. A record that was stopped at once has left it, with what it had ` +
    'written (npx palisade capture info shows that), or one that runs is writing it. Move it away or remove it first';
  return new EventLogError('EVENT_LOG_FAILED', message, { cause, path });
}

function unlessMissing(error: unknown): undefined {
  if (!isSystemError(error, 'ENOENT')) throw error;
}

function isSystemError(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
