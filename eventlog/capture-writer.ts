import { randomBytes } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';
import { CaptureSchema } from './capture-schema.ts';
import { EventLogError } from './errors.ts';
import type { LogRecord } from './event-log.ts';
import { blockBytes, containerBlock, containerHeader } from './object-container.ts';

/** Writes a capture: `CaptureEventLog` reads it. A block is on its way to the file when 256 KiB are there. */
export class CaptureWriter implements AsyncDisposable {
  readonly #file: string;
  readonly #handle: FileHandle;
  readonly #schema = new CaptureSchema();
  readonly #sync = randomBytes(16);
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #closed = false;

  private constructor(file: string, handle: FileHandle) {
    this.#file = file;
    this.#handle = handle;
  }

  /**
   * Begins a file, which its owner alone may read: it has what every process did. One that is there is replaced.
   * Throws `EVENT_LOG_FAILED`.
   */
  static async create(file: string): Promise<CaptureWriter> {
    let handle: FileHandle;
    try {
      handle = await open(file, 'w', 0o600);
    } catch (cause) {
      throw cannotWrite(file, cause);
    }
    const writer = new CaptureWriter(file, handle);
    try {
      await writer.#put(containerHeader(writer.#schema.json, writer.#sync));
    } catch (error) {
      await handle.close();
      throw error;
    }
    return writer;
  }

  /** Adds a record; resolves when there is room for the next one. Throws `EVENT_LOG_FAILED`, and what reading its value throws. */
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
    const block = await containerBlock(this.#waiting.length, Buffer.concat(this.#waiting), this.#sync);
    this.#waiting = [];
    this.#waitingBytes = 0;
    await this.#put(block);
  }

  async #put(bytes: Uint8Array): Promise<void> {
    try {
      await this.#handle.appendFile(bytes);
    } catch (cause) {
      throw cannotWrite(this.#file, cause);
    }
  }
}

function cannotWrite(file: string, cause: unknown): EventLogError {
  return new EventLogError('EVENT_LOG_FAILED', `cannot write the capture ${file}: ${String(cause)}`, { cause });
}
