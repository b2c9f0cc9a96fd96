import {
  eventAddressSource,
  eventConstant,
  eventHeaderBytes,
  eventOffset as at,
  eventOperation,
  eventPathSource,
  eventString,
} from './event-layout.ts';
import { cpusMax } from './sequence-tracker.ts';

/** Bytes of all strings of an event: STRINGS_BYTES in bpf/lib/ring.bpf.h. */
export const stringsBytesMax = 65_536;

/**
 * Why the event at `position` cannot be written so that every reader of the batch can read it; `undefined`: it can. Puts where
 * each string begins, by enum palisade_string, and where the last one ends, into `starts`.
 */
export function whyInvalid(view: DataView, position: number, size: number, starts: Int32Array): string | undefined {
  const version = view.getUint16(position + at.version, true);
  if (version !== eventConstant.eventVersion) return `has version ${version}, not ${eventConstant.eventVersion}`;
  const operation = view.getUint16(position + at.operation, true);
  if (operation === eventOperation.unknown || operation >= eventOperation.count) return `has operation ${operation}`;
  let start = position + eventHeaderBytes;
  for (let place = 0; place < eventString.count; place++) {
    starts[place] = start;
    start += view.getUint16(position + at.lengths + 2 * place, true);
  }
  starts[eventString.count] = start;
  const used = start - position;
  if (used > size || size - used > 7 || used - eventHeaderBytes > stringsBytesMax) {
    return `has strings of ${used - eventHeaderBytes} bytes in ${size - eventHeaderBytes}`;
  }
  const cpu = view.getInt32(position + at.cpu, true);
  const isExisting = operation === eventOperation.existing;
  if (isExisting ? cpu !== -1 : cpu < 0 || cpu >= cpusMax) return `has CPU ${cpu}`;
  if (!isSafe(view.getInt32(position + at.sequence + 4, true))) return 'has a sequence number beyond 2^53';
  if (!isSafe(view.getInt32(position + at.flags + 4, true))) return 'has flags beyond 2^53';
  if (!isSafe(view.getInt32(position + at.returnValue + 4, true))) return 'has a return value beyond 2^53';
  const timeHigh = view.getInt32(position + at.timeNs + 4, true);
  if (timeHigh < 0) return 'has a time beyond 2^63';
  if (operation === eventOperation.fork) {
    const childHigh = view.getInt32(position + at.childStartTimeNs + 4, true);
    if (childHigh < 0 || !isNear(childHigh, timeHigh)) return "has a child's start 52 days away";
  }
  const source = view.getUint8(position + at.pathSource);
  const secondSource = view.getUint8(position + at.secondSource);
  if (source > eventPathSource.text || secondSource > eventPathSource.text) return 'has an unknown path source';
  if (view.getUint8(position + at.addressSource) > eventAddressSource.argument) return 'has an unknown address source';
  for (const string of [eventString.address, eventString.localAddress]) {
    const addressBytes = view.getUint16(position + at.lengths + 2 * string, true);
    if (addressBytes > eventConstant.addressMax) return `has an address of ${addressBytes} bytes`;
    if (addressBytes > 0 && view.getUint16(position + at.addressFamily, true) === 0)
      return 'has an address without a family';
  }
  return undefined;
}

/** Whether two times with these upper halves are less than 2^52 ns apart. */
export function isNear(high: number, other: number): boolean {
  return Math.abs(high - other) < 0x0f_ffff;
}

/** Whether a 64-bit number with this upper half is well within ±2^53: avsc refuses to read what is not. */
function isSafe(high: number): boolean {
  return high > -0x1f_ffff && high < 0x1f_ffff;
}
