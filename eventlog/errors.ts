import { PalisadeError, type PalisadeErrorOptions } from '../runtime/errors.ts';
import type { TopicName } from '../schemas/topics.ts';

export type EventLogErrorCode =
  | 'EVENT_LOG_FAILED'
  | 'EVENT_LOG_OWNED'
  /** The file is no database, or one that is damaged: the same call would be refused again. */
  | 'EVENT_LOG_DAMAGED'
  | 'DISK_FULL'
  | 'DATA_TOO_NEW'
  | 'FENCED';

export interface EventLogErrorOptions extends PalisadeErrorOptions {
  /** The file that could not be read or written, where it is one. */
  readonly path?: string | undefined;
  /** Of its file system, with `DISK_FULL`; `undefined` where nobody can tell. */
  readonly freeBytes?: number | undefined;
}

/** The log could not do what was asked, or another process owns it. */
export class EventLogError extends PalisadeError {
  declare readonly code: EventLogErrorCode;
  readonly path: string | undefined;
  readonly freeBytes: number | undefined;

  constructor(code: EventLogErrorCode, message: string, options: EventLogErrorOptions = {}) {
    super(code, message, options);
    this.path = options.path;
    this.freeBytes = options.freeBytes;
  }
}

export interface SchemaRegistryErrorOptions extends PalisadeErrorOptions {
  /** The HTTP status that the registry answered with; `undefined` where it gave no answer, or one that means nothing. */
  readonly status?: number | undefined;
}

/** The schema registry could not be asked, or refused. */
export class SchemaRegistryError extends PalisadeError {
  readonly status: number | undefined;

  constructor(message: string, options: SchemaRegistryErrorOptions = {}) {
    super('SCHEMA_REGISTRY_FAILED', message, options);
    this.status = options.status;
  }
}

export interface RecordErrorOptions extends PalisadeErrorOptions {
  readonly topic: TopicName;
  readonly partition: number;
  readonly offset: number;
  /** Where in `bytes` reading stopped; `undefined` where the whole is wrong (a checksum). */
  readonly bytePosition: number | undefined;
  /** The value as the log has it. */
  readonly bytes: Uint8Array;
}

/** A record that is there and cannot be read. The runner makes a dead letter of it. */
export class RecordError extends PalisadeError {
  readonly topic: TopicName;
  readonly partition: number;
  readonly offset: number;
  readonly bytePosition: number | undefined;
  readonly bytes: Uint8Array;

  constructor(reason: string, options: RecordErrorOptions) {
    const place = options.bytePosition === undefined ? '' : ` at byte ${options.bytePosition}`;
    super(
      'RECORD_UNREADABLE',
      `cannot read the record at ${options.topic}/${options.partition} offset ${options.offset}${place}: ${reason}`,
      options,
    );
    this.topic = options.topic;
    this.partition = options.partition;
    this.offset = options.offset;
    this.bytePosition = options.bytePosition;
    this.bytes = options.bytes;
  }
}
