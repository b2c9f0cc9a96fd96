import { eventConstant, eventHeaderBytes, eventOffset as at, eventString } from '../collector/event-layout.ts';

/** Fields of struct palisade_event by name, and its strings. What is left out is 0 or empty. */
export interface KernelEventFields {
  readonly numbers: Partial<Record<keyof typeof at, number | bigint>>;
  readonly strings: Partial<Record<keyof typeof eventString, Uint8Array>>;
}

/** Width in bytes of the fields that have not 4. */
const widths: Partial<Record<keyof typeof at, 1 | 2 | 8>> = {
  version: 2,
  operation: 2,
  session: 8,
  timeNs: 8,
  sequence: 8,
  startTimeNs: 8,
  parentStartTimeNs: 8,
  cgroupId: 8,
  containerCgroupId: 8,
  childStartTimeNs: 8,
  flags: 8,
  returnValue: 8,
  fileInode: 8,
  secondInode: 8,
  addressFamily: 2,
  socketType: 2,
  protocol: 2,
  port: 2,
  pathSource: 1,
  secondSource: 1,
  addressSource: 1,
  localPort: 2,
  truncated: 2,
};

/** The bytes of one struct palisade_event, as the kernel would write it. */
export function kernelEvent(fields: KernelEventFields): Uint8Array {
  const names = Object.keys(eventString).filter((name) => name !== 'count') as (keyof typeof eventString)[];
  const strings = names.map((name) => fields.strings[name] ?? new Uint8Array(0));
  const used = eventHeaderBytes + strings.reduce((sum, string) => sum + string.length, 0);
  const bytes = new Uint8Array(Math.ceil(used / 8) * 8);
  const view = new DataView(bytes.buffer);
  const put = (name: keyof typeof at, value: number | bigint): void => {
    const width = widths[name] ?? 4;
    if (width === 8) view.setBigInt64(at[name], BigInt(value), true);
    else if (width === 4) view.setInt32(at[name], Number(value), true);
    else if (width === 2) view.setUint16(at[name], Number(value), true);
    else view.setUint8(at[name], Number(value));
  };
  put('version', eventConstant.eventVersion);
  for (const [name, value] of Object.entries(fields.numbers)) put(name as keyof typeof at, value);
  put('size', bytes.length);
  let place = eventHeaderBytes;
  strings.forEach((string, index) => {
    view.setUint16(at.lengths + 2 * index, string.length, true);
    bytes.set(string, place);
    place += string.length;
  });
  return bytes;
}

/** Events one behind the other, as a block has them. */
export function kernelBlock(events: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(events);
}
