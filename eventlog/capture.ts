import type { TopicName } from '../schemas/topics.ts';
import { MalformedAvro } from './avro-bounds.ts';
import { CaptureError } from './capture-error.ts';
import { CaptureSchema, type RecordReader } from './capture-schema.ts';
import type { EventLogReader } from './embedded.ts';
import { EventLogError } from './errors.ts';
import type { LogRecord, ReadOptions } from './event-log.ts';
import { ContainerReader, MalformedContainer, type ContainerBlock } from './object-container.ts';

/** The reading half of a log, over a file that `CaptureWriter` wrote. Its memory is that of two blocks, whatever the file. */
export class CaptureEventLog implements EventLogReader {
  readonly file: string;
  readonly #container: ContainerReader;
  readonly #reader: RecordReader;
  readonly #closing = new AbortController();

  private constructor(file: string, container: ContainerReader, reader: RecordReader) {
    this.file = file;
    this.#container = container;
    this.#reader = reader;
  }

  /** Throws `CAPTURE_UNREADABLE` where it is none, and `EVENT_LOG_FAILED` where the file cannot be opened. */
  static async open(file: string): Promise<CaptureEventLog> {
    let container: ContainerReader;
    try {
      container = await ContainerReader.open(file);
    } catch (error) {
      if (error instanceof MalformedContainer) {
        throw new CaptureError(file, { bytePosition: error.bytePosition, recordsBefore: 0 }, error.message, error);
      }
      throw new EventLogError('EVENT_LOG_FAILED', `cannot open the capture ${file}: ${String(error)}`, {
        cause: error,
      });
    }
    try {
      return new CaptureEventLog(file, container, new CaptureSchema().readerOf(container.schema));
    } catch (cause) {
      await container[Symbol.asyncDispose]();
      const reason = `its records are not those of a capture: ${String(cause)}`;
      throw new CaptureError(file, { bytePosition: 0, recordsBefore: 0 }, reason, cause);
    }
  }

  /** Bytes of the file. */
  get size(): number {
    return this.#container.size;
  }

  /**
   * As every log's, in the order of the file. Nothing comes after its end: who follows waits there. Throws
   * `CAPTURE_UNREADABLE` at the place where the file is damaged, after all that stands before it.
   */
  async *read(options: ReadOptions): AsyncGenerator<LogRecord, void, undefined> {
    const signal = AbortSignal.any([options.signal, this.#closing.signal]);
    const { topics, from } = options;
    if (from !== 'end') {
      const first = from === 'start' ? new Map<TopicName, number>() : from;
      for await (const { record } of this.#records(signal)) {
        if (topics.includes(record.topic) && record.offset >= (first.get(record.topic) ?? 0)) yield record;
      }
    }
    if (options.follow && !signal.aborted) await aborted(signal);
  }

  /** All records with the byte of the file after the block that each is in: how far reading has come. */
  progress(signal: AbortSignal): AsyncGenerator<CapturedRecord, void, undefined> {
    return this.#records(AbortSignal.any([signal, this.#closing.signal]));
  }

  /** Reads the whole file. */
  async table(topic: TopicName): Promise<{ readonly records: readonly LogRecord[]; readonly position: number }> {
    const last = new Map<string, LogRecord>();
    let position = 0;
    for await (const { record } of this.#records(this.#closing.signal)) {
      if (record.topic !== topic) continue;
      position = record.offset + 1;
      // Anew, so that the order is that of the log.
      last.delete(record.key);
      if (!isTombstone(record)) last.set(record.key, record);
    }
    return { records: [...last.values()], position };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    await this.#container[Symbol.asyncDispose]();
  }

  async *#records(signal: AbortSignal): AsyncGenerator<CapturedRecord, void, undefined> {
    let before = 0;
    try {
      for await (const block of this.#container.blocks()) {
        for (const record of this.#recordsOf(block)) {
          if (signal.aborted) return;
          yield { record, endPosition: block.endPosition };
          before += 1;
        }
      }
    } catch (error) {
      if (!(error instanceof MalformedContainer)) throw error;
      throw new CaptureError(
        this.file,
        { bytePosition: error.bytePosition, recordsBefore: before },
        error.message,
        error,
      );
    }
  }

  *#recordsOf(block: ContainerBlock): Generator<LogRecord, void, undefined> {
    let position = 0;
    for (let place = 0; place < block.records; place++) {
      let read;
      try {
        read = this.#reader(block.bytes, position);
      } catch (cause) {
        const inRecord = cause instanceof MalformedAvro ? cause.message : String(cause);
        const reason = `record ${place + 1} of the ${block.records} of the block that begins here: ${inRecord}`;
        throw new MalformedContainer(reason, block.bytePosition, { cause });
      }
      yield read.record;
      position = read.end;
    }
    if (position !== block.bytes.length) {
      const rest = block.bytes.length - position;
      throw new MalformedContainer(`${rest} bytes follow the last record of the block`, block.bytePosition);
    }
  }
}

/** A record and how far in the file it has brought the reader. */
export interface CapturedRecord {
  readonly record: LogRecord;
  readonly endPosition: number;
}

/** Whether the key is gone. A value that cannot be read is there. */
function isTombstone(record: LogRecord): boolean {
  try {
    return record.value === undefined;
  } catch {
    // Who asks for the value gets the error.
    return false;
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    signal.addEventListener(
      'abort',
      () => {
        resolve();
      },
      { once: true },
    );
  });
}
