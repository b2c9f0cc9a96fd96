import type { OutputRecord, TablePositions } from './event-log.ts';
import type { UnstoredRecord } from './log-store.ts';
import type { WireFormat } from './wire-format.ts';

/** An output with its value framed. Throws a TypeError where the value does not fit the topic's schema. */
export function storable(record: OutputRecord, tablePositions: TablePositions, format: WireFormat): UnstoredRecord {
  const value =
    'encodedValue' in record
      ? format.frame(record.topic, record.encodedValue)
      : record.value === undefined
        ? undefined
        : format.encode(record.topic, record.value);
  return { topic: record.topic, key: record.key, value, tablePositions, timestampMs: Date.now() };
}
