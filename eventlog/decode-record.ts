import type { LogRecord } from './event-log.ts';
import { RecordError } from './errors.ts';
import type { StoredRecord } from './log-store.ts';
import type { WireFormat } from './wire-format.ts';

/**
 * The record as readers see it. The value is decoded, or checked and left as it is, when it is first asked for, and once; asking
 * for one that cannot be read throws `RecordError`, each time.
 */
export function decodeRecord(stored: Omit<StoredRecord, 'sequence'>, format: WireFormat, partition = 0): LogRecord {
  const { topic, offset, key, timestampMs, tablePositions } = stored;
  const place = { topic, partition, offset };
  let value: LogRecord['value'];
  let decoded = stored.value === undefined && stored.damage === undefined;
  let encodedValue: Uint8Array | undefined;
  let unframed = decoded;
  const bytesOf = (): Uint8Array => {
    const bytes = stored.value ?? new Uint8Array();
    if (stored.damage !== undefined) throw new RecordError(stored.damage, { ...place, bytes, bytePosition: undefined });
    return bytes;
  };
  const record = {
    ...place,
    key,
    timestampMs,
    tablePositions,
    get value() {
      if (decoded) return value;
      value = format.decode(topic, bytesOf(), place);
      decoded = true;
      return value;
    },
    get encodedValue() {
      if (unframed) return encodedValue;
      encodedValue = format.unframe(topic, bytesOf(), place);
      unframed = true;
      return encodedValue;
    },
  };
  // `topic` and `value` belong together because the format decodes by topic; the compiler cannot see that.
  return record as LogRecord;
}
