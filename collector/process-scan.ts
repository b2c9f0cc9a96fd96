import { readFileSync } from 'node:fs';
import { eventConstant, eventHeaderBytes, eventOffset as at, eventString } from './event-layout.ts';
import { isAboutFile } from './json-file.ts';

/**
 * What already runs, made ready for the decoder: the events of `Monitor.scanProcesses`, parents before their children, numbered
 * from 1, each with the command line that /proc has (the kernel's iterator cannot read another process's memory).
 */
export function existingProcesses(scan: Uint8Array): readonly Uint8Array[] {
  const view = new DataView(scan.buffer, scan.byteOffset, scan.byteLength);
  const events: Uint8Array[] = [];
  for (let position = 0; position + eventHeaderBytes <= scan.length;) {
    const size = view.getUint32(position + at.size, true);
    if (size < eventHeaderBytes) break;
    const event = scan.subarray(position, position + size);
    events.push(withArguments(event, commandLine(view.getUint32(position + at.hostTgid, true))));
    position += size;
  }
  // A parent began before its child, also one that adopted it: that is an ancestor.
  const startOf = (event: Uint8Array): bigint => viewOf(event).getBigUint64(at.startTimeNs, true);
  events.sort((one, other) => Number(startOf(one) - startOf(other)));
  events.forEach((event, index) => {
    viewOf(event).setBigUint64(at.sequence, BigInt(index + 1), true);
  });
  return events;
}

/** The event with an argument vector, which is the last of its strings but the empty address. */
function withArguments(event: Uint8Array, argumentVector: Uint8Array): Uint8Array {
  const kept = argumentVector.subarray(0, eventConstant.argumentsMax);
  let used = eventHeaderBytes;
  for (let string = 0; string < eventString.arguments; string++) {
    used += viewOf(event).getUint16(at.lengths + 2 * string, true);
  }
  const longer = new Uint8Array(Math.ceil((used + kept.length) / 8) * 8);
  longer.set(event.subarray(0, used));
  longer.set(kept, used);
  const view = viewOf(longer);
  view.setUint32(at.size, longer.length, true);
  view.setUint16(at.lengths + 2 * eventString.arguments, kept.length, true);
  if (kept.length < argumentVector.length) {
    view.setUint16(at.truncated, view.getUint16(at.truncated, true) | (1 << eventString.arguments), true);
  }
  return longer;
}

/** Arguments, each with a NUL; empty for kernel threads and for what has ended meanwhile. */
function commandLine(hostPid: number): Uint8Array {
  try {
    return readFileSync(`/proc/${hostPid}/cmdline`);
  } catch (error) {
    if (isAboutFile(error)) return new Uint8Array(0);
    throw error;
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
