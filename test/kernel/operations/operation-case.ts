import type { AddressSource, Operation, PathSource, SocketAddress } from '../../../schemas/generated.ts';

/** Parts of an event that may name something: docs/operations.md calls them so. */
export type PathPart = 'path' | 'interpreter' | 'old path' | 'new path';
export type AddressPart = 'address' | 'peer address' | 'local address';

/** What an event names, and how each part of it was had. */
export type Sources = Readonly<Partial<Record<PathPart, PathSource> & Record<AddressPart, AddressSource>>>;

/** One act that a program of this test made. */
export interface Performed {
  /** Of the process, in the initial pid namespace. */
  readonly hostPid: number;
  /** Each part that `sources` names: a path's bytes as latin1; an address as `addressText` has it. */
  readonly expected: Readonly<Partial<Record<PathPart | AddressPart, string>>>;
}

/** Where and how an act is made. */
export interface ActContext {
  /** Empty, of this act alone; removed afterwards. */
  readonly directory: string;
  /** Runs a program of test/programs to its end. */
  readonly run: (
    program: string,
    args: readonly string[],
    options?: { readonly cwd?: string },
  ) => { readonly hostPid: number; readonly stdout: string };
  /** Called after the act was seen, last first. */
  readonly atEnd: (undo: () => void) => void;
}

/** A row of docs/operations.md, and for each of its calls an act that proves it. */
export interface OperationCase {
  readonly operation: Operation;
  readonly when: string;
  /** What the event names then, in words. */
  readonly names: string;
  readonly sources: Sources;
  /** By system call, as the page names it. */
  readonly acts: Readonly<Record<string, (context: ActContext) => Performed | Promise<Performed>>>;
}

/** `192.0.2.1:80`, `[2001:db8::1]:80` with every group, a path, `family 16` where there is no address that we know how to write. */
export function addressText({ family, address, port }: Pick<SocketAddress, 'family' | 'address' | 'port'>): string {
  const bytes = Buffer.from(address);
  if (bytes.length === 0) return `family ${family}`;
  if (family === 2) return `${bytes.join('.')}:${port}`;
  if (family === 10) return `[${(bytes.toString('hex').match(/.{4}/gu) ?? []).join(':')}]:${port}`;
  return bytes.toString('latin1');
}
