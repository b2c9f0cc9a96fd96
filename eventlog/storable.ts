import { EventLogError } from './errors.ts';
import type { OutputRecord, TablePositions } from './event-log.ts';
import type { UnstoredRecord } from './log-store.ts';
import type { WireFormat } from './wire-format.ts';

/**
 * No value is larger, in bytes, framed. Batches close at about 100 KB; this is what a mistake may cost in memory, here
 * and in every reader.
 */
export const maxValueBytes = 16 << 20;
/** A dead letter holds such a value, and says where it was and why it is one. */
const maxLetterBytes = maxValueBytes + (1 << 20);

/**
 * An output with its value framed. Throws a TypeError where the value does not fit the topic's schema, and
 * `EVENT_LOG_FAILED` where it is too large.
 */
export function storable(record: OutputRecord, tablePositions: TablePositions, format: WireFormat): UnstoredRecord {
  const value =
    'encodedValue' in record
      ? format.frame(record.topic, record.encodedValue)
      : record.value === undefined
        ? undefined
        : format.encode(record.topic, record.value);
  const limit = record.topic === 'dead-letters' ? maxLetterBytes : maxValueBytes;
  if (value !== undefined && value.length > limit) {
    throw new EventLogError(
      'EVENT_LOG_FAILED',
      `a value of ${value.length} bytes for ${record.topic} is larger than the log takes: ${limit}`,
    );
  }
  return { topic: record.topic, key: record.key, value, tablePositions, timestampMs: Date.now() };
}
