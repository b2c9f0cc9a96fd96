import {
  eventConstant,
  eventHeaderBytes,
  eventOffset,
  eventOperation,
  eventString,
} from '../../collector/event-layout.ts';

export type KernelOperation = Exclude<keyof typeof eventOperation, 'count'>;
export type KernelString = Exclude<keyof typeof eventString, 'count'>;

/** struct palisade_event, field by field; for tests, which must not share the collector's decoder. */
export type KernelEvent = Readonly<
  Record<Exclude<keyof typeof eventOffset, 'operation' | 'lengths' | 'truncated'>, bigint>
> & {
  readonly operation: KernelOperation;
  readonly truncated: readonly KernelString[];
  /** As latin1: one character a byte. An empty string is not there. */
  readonly strings: Readonly<Partial<Record<KernelString, string>>>;
};

const byPlace = Object.entries(eventOffset).sort(([, left], [, right]) => left - right);
const signed = new Set(['returnValue', 'syscall', 'fileDescriptor']);
const operations = Object.entries(eventOperation);
const stringNames = (Object.keys(eventString) as (keyof typeof eventString)[]).filter((name) => name !== 'count');

function readInteger(view: DataView, place: number, bytes: number, isSigned: boolean): bigint {
  if (bytes === 8) return isSigned ? view.getBigInt64(place, true) : view.getBigUint64(place, true);
  if (bytes === 4) return BigInt(isSigned ? view.getInt32(place, true) : view.getUint32(place, true));
  return BigInt(bytes === 2 ? view.getUint16(place, true) : view.getUint8(place));
}

/** Decodes a block; throws where an event's own sizes do not agree, or padding is not zero. */
export function decodeBlock(bytes: Uint8Array): readonly KernelEvent[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const events: KernelEvent[] = [];
  let start = 0;
  while (start < bytes.length) {
    const numbers: Record<string, bigint> = {};
    byPlace.forEach(([name, offset], index) => {
      const end = byPlace[index + 1]?.[1] ?? eventHeaderBytes;
      // What follows a last byte may be padding.
      const width = name === 'addressSource' ? 1 : end - offset > 8 ? 2 : end - offset;
      numbers[name] = readInteger(view, start + offset, width, signed.has(name));
    });
    const size = Number(numbers['size']);
    if (numbers['version'] !== BigInt(eventConstant.eventVersion)) throw new Error(`version ${numbers['version']}`);
    const strings: Partial<Record<KernelString, string>> = {};
    let place = start + eventHeaderBytes;
    for (const name of stringNames) {
      const length = view.getUint16(start + eventOffset.lengths + 2 * eventString[name], true);
      if (length > 0) strings[name] = Buffer.from(bytes.subarray(place, place + length)).toString('latin1');
      place += length;
    }
    if (size % 8 !== 0 || start + size - place < 0 || start + size - place > 7) throw new Error(`size ${size}`);
    if (bytes.subarray(place, start + size).some((byte) => byte !== 0)) throw new Error('padding is not zero');
    const operation = operations.find(([, value]) => BigInt(value) === numbers['operation'])?.[0];
    const truncated = stringNames.filter((name) => Number(numbers['truncated']) & (1 << eventString[name]));
    events.push({ ...numbers, operation, truncated, strings } as unknown as KernelEvent);
    start += size;
  }
  return events;
}
