import { randomBytes } from 'node:crypto';
import { type FileHandle } from 'node:fs/promises';
import { beginPrivateFile } from '../runtime/private-file.ts';
import { CaptureSchema } from './capture-schema.ts';
import type { LogRecord } from './event-log.ts';
import { blockBytes, containerBlock, containerHeader } from './object-container.ts';
import { storageError } from './storage-error.ts';

/** Writes a capture: `CaptureEventLog` reads it. A block is on its way to the file when 256 KiB are there. */
export class CaptureWriter implements AsyncDisposable {
  readonly #file: string;
  readonly #handle: FileHandle;
  readonly #schema = new CaptureSchema();
  readonly #sync = randomBytes(16);
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  /** Of the file, in whole blocks. */
  #records = 0;
  #bytes = 0;
  #closed = false;

  private constructor(file: string, handle: FileHandle) {
    this.#file = file;
    this.#handle = handle;
  }

  /**
   * Begins a file, which its owner alone may read: it has what every process did. One that is there is replaced.
   * Throws `EVENT_LOG_FAILED`, and `DISK_FULL`.
   */
  static async create(file: string): Promise<CaptureWriter> {
    let handle: FileHandle;
    try {
      handle = await beginPrivateFile(file);
    } catch (cause) {
      throw storageError(cause, file, 'cannot begin the capture');
    }
    const writer = new CaptureWriter(file, handle);
    try {
      await writer.#put(containerHeader(writer.#schema.json, writer.#sync), 0);
    } catch (error) {
      await handle.close();
      throw error;
    }
    return writer;
  }

  /** Records that the file has, in whole blocks. */
  get records(): number {
    return this.#records;
  }

  /**
   * Adds a record; resolves when there is room for the next one. Throws what reading its value throws, and `DISK_FULL` or
   * `EVENT_LOG_FAILED`: the file then ends with the last whole block.
   */
  async write(record: LogRecord): Promise<void> {
    const bytes = this.#schema.encode(record);
    if (this.#waitingBytes > 0 && this.#waitingBytes + bytes.length > blockBytes) await this.#closeBlock();
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
  }

  /** Writes what waits and closes the file. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    try {
      await this.#closeBlock();
    } finally {
      await this.#handle.close();
    }
  }

  async #closeBlock(): Promise<void> {
    if (this.#waiting.length === 0) return;
    const records = this.#waiting.length;
    const block = await containerBlock(records, Buffer.concat(this.#waiting), this.#sync);
    this.#waiting = [];
    this.#waitingBytes = 0;
    await this.#put(block, records);
  }

  async #put(bytes: Uint8Array, records: number): Promise<void> {
    try {
      await this.#handle.appendFile(bytes);
    } catch (cause) {
      // A part of it may be written. What can't be made shorter (a device) ends in that part: readers stop before it.
      await this.#handle.truncate(this.#bytes).catch(() => undefined);
      throw storageError(cause, this.#file, `writing the capture failed after ${this.#records} records, which it has`);
    }
    this.#bytes += bytes.length;
    this.#records += records;
  }
}
