import { isIPv6 } from 'node:net';
import type { ExecutionContext } from 'ava';
import { openCapture, type KernelCapture } from './kernel-capture.ts';
import type { KernelString } from './kernel-event.ts';
import { testProgram } from './programs.ts';
import { plainEvent, wholeOf, type WholeEvent } from './whole-event.ts';

/** What of an event is not as an event without file and address has it. */
export type NetworkEvent = Partial<Omit<WholeEvent, 'strings'>> & {
  readonly strings?: Partial<Record<KernelString, string>>;
};

/** A step of test/programs/network.c with the result that it must have, and the event that tells of it. */
export interface NetworkStep {
  readonly step: string;
  /** What it must print; left out where it prints an address. */
  readonly result?: number;
  /** Left out: it makes no event. */
  readonly event?: NetworkEvent | ((said: Said) => NetworkEvent);
}

/** A socket's end, as getsockname and getpeername tell it: bytes as latin1, which an event's strings are. */
export interface SaidAddress {
  readonly address: string;
  readonly port: bigint;
}

/** What the program printed of the first step with this text, which asked the kernel for an address. */
export type Said = (step: string) => SaidAddress;

const families = { unix: 1, inet: 2, inet6: 10 } as const;
const program = 'network';

/** Bytes of an address of IPv4 or IPv6, as latin1. */
export function addressBytes(text: string): string {
  if (!isIPv6(text)) return String.fromCharCode(...text.split('.').map(Number));
  const [head = '', tail] = text.split('::');
  const groups = (part: string): number[] =>
    part.split(':').flatMap((group) => {
      if (group === '') return [];
      if (group.includes('.')) return group.split('.').map(Number);
      return [parseInt(group, 16) >> 8, parseInt(group, 16) & 0xff];
    });
  const before = groups(head);
  const after = groups(tail ?? '');
  const zeros = tail === undefined ? [] : Array.from({ length: 16 - before.length - after.length }, () => 0);
  return String.fromCharCode(...before, ...zeros, ...after);
}

/** A struct sockaddr_in or sockaddr_in6 in hexadecimal, as the program takes it; behind it may stand @FD for the port. */
export function internetAddress(text: string, port = 0): string {
  const address = Buffer.from(addressBytes(text), 'latin1');
  const bytes = Buffer.alloc(address.length === 4 ? 16 : 28);
  bytes.writeUInt16LE(address.length === 4 ? families.inet : families.inet6);
  bytes.writeUInt16BE(port, 2);
  address.copy(bytes, address.length === 4 ? 4 : 8);
  return bytes.toString('hex');
}

/** A struct sockaddr_un in hexadecimal, no longer than its name; an abstract one begins with a NUL. */
export function unixAddress(name: string): string {
  return Buffer.concat([Buffer.of(families.unix, 0), Buffer.from(name, 'latin1')]).toString('hex');
}

/** Of a struct sockaddr in hexadecimal. */
function addressOf(text: string): SaidAddress {
  const bytes = Buffer.from(text, 'hex');
  const family = bytes.readUInt16LE();
  if (family === families.unix) {
    const name = bytes.toString('latin1', 2);
    return { address: name.startsWith('\0') ? name : name.replace(/\0.*/su, ''), port: 0n };
  }
  const start = family === families.inet ? 4 : 8;
  const end = family === families.inet ? 8 : 24;
  return { address: bytes.toString('latin1', start, end), port: BigInt(bytes.readUInt16BE(2)) };
}

/** Runs the steps in one process, and asserts every field of every event between its exec and its exit. */
export async function networkStory(
  t: ExecutionContext,
  steps: readonly NetworkStep[],
  options: { readonly cwd?: string; readonly uid?: number } = {},
): Promise<KernelCapture> {
  const capture = openCapture(t);
  const cwd = options.cwd ?? '/';
  const run = await capture.run(
    testProgram(program),
    steps.map(({ step }) => step),
    { ...options, cwd },
  );
  t.is(run.status, 0, run.stdout);
  const printing = steps.filter(({ step }) => step !== 'compat');
  const lines = run.stdout.split('\n');
  const said: Said = (asked) => addressOf(lines[printing.findIndex(({ step }) => step === asked)] ?? '');
  printing.forEach(({ step, result }, index) => {
    if (result !== undefined) t.is(lines[index], String(result), step);
  });

  const uid = BigInt(options.uid ?? 0);
  const plain = {
    ...plainEvent(capture, { ...run, stdout: '0' }, testProgram(program), cwd),
    ...{ uid, euid: uid, fsuid: uid },
  };
  const expected = printing.flatMap(({ event }, index) => {
    if (event === undefined) return [];
    const { strings, ...fields } = typeof event === 'function' ? event(said) : event;
    const returnValue = BigInt(lines[index] ?? '');
    return [{ ...plain, returnValue, ...fields, strings: { ...plain.strings, ...strings } }];
  });
  const told = run.events.map(wholeOf);
  t.deepEqual([told.at(0)?.operation, told.at(-1)?.operation], ['exec', 'exit']);
  const between = told.slice(1, -1);
  expected.forEach((event, index) => {
    t.deepEqual(between[index], event, `event ${index + 1}`);
  });
  t.is(between.length, expected.length, 'and nothing else came');
  return capture;
}
