import { isIPv6 } from 'node:net';

/** A socket's end, as getsockname and getpeername tell it: bytes as latin1, which an event's strings are. */
export interface SaidAddress {
  readonly family: number;
  readonly address: string;
  readonly port: bigint;
}

const families = { unix: 1, inet: 2, inet6: 10 } as const;

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

/** Of a struct sockaddr in hexadecimal, as the program prints it. */
export function saidAddress(text: string): SaidAddress {
  const bytes = Buffer.from(text, 'hex');
  const family = bytes.readUInt16LE();
  if (family === families.unix) {
    const name = bytes.toString('latin1', 2);
    return { family, address: name.startsWith('\0') ? name : name.replace(/\0.*/su, ''), port: 0n };
  }
  const start = family === families.inet ? 4 : 8;
  const end = family === families.inet ? 8 : 24;
  return { family, address: bytes.toString('latin1', start, end), port: BigInt(bytes.readUInt16BE(2)) };
}
