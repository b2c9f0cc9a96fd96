import type { LogRecord, OutputRecord } from './event-log.ts';
import { RecordError } from './errors.ts';

/** The error of a record that cannot be read; `undefined` where its value is there. Decodes it. */
export function unreadable(record: LogRecord): RecordError | undefined {
  try {
    Reflect.get(record, 'value');
    return undefined;
  } catch (error) {
    // Anything else is a mistake in our own code.
    if (error instanceof RecordError) return error;
    throw error;
  }
}

export interface DeadLetterOptions {
  /** Whose runner could not do anything with the record. */
  readonly stage: string;
  readonly reason: string;
  readonly bytes: Uint8Array;
}

/** What is kept of a record that a stage could not read, or that a sink's destination will never take. */
export function deadLetter(record: LogRecord, options: DeadLetterOptions): OutputRecord {
  const { topic, partition, offset, key } = record;
  return { topic: 'dead-letters', key: topic, value: { topic, partition, offset, key, ...options } };
}
