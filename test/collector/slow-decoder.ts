import { eventHeaderBytes, eventOffset as at, eventString } from '../../collector/event-layout.ts';
import {
  symbolsOfAddressSource,
  symbolsOfInodeType,
  symbolsOfOperation,
  symbolsOfPathSource,
  type FileObject,
  type ProcessContext,
  type RawEvent,
  type SocketAddress,
} from '../../schemas/generated.ts';

/** An event with its dictionary entries in their places: what a batch says, without saying how it is cut into tables. */
export interface PlainEvent extends Omit<
  RawEvent,
  | 'timeNs'
  | 'childStartTimeNs'
  | 'process'
  | 'file'
  | 'typedPath'
  | 'newFile'
  | 'newTypedPath'
  | 'address'
  | 'localAddress'
  | 'exec'
> {
  readonly timeNs: bigint;
  readonly childStartTimeNs: bigint;
  readonly process: PlainProcess;
  readonly file: PlainFile | undefined;
  readonly typedPath: string | undefined;
  readonly newFile: PlainFile | undefined;
  readonly newTypedPath: string | undefined;
  readonly address: PlainAddress | undefined;
  readonly localAddress: PlainAddress | undefined;
  readonly exec: PlainExec | undefined;
}
export type PlainProcess = Omit<ProcessContext, 'tty' | 'comm' | 'executable' | 'parentExecutable' | 'cwd'> &
  Readonly<Record<'comm' | 'executable' | 'parentExecutable' | 'cwd', string>> & { readonly tty: string | undefined };
export type PlainAddress = Omit<SocketAddress, 'address'> & { readonly address: string };
export type PlainFile = Omit<FileObject, 'path'> & { readonly path: string };
export interface PlainExec {
  readonly arguments: readonly string[];
  readonly argumentsTruncated: boolean;
  readonly calledName: string;
  readonly interpreterFile: PlainFile | undefined;
  readonly callerExecutable: string;
  readonly caller: readonly number[];
}

const slash = '/';

/**
 * What the kernel's bytes say, slowly and with one object a thing: the oracle of the decoder's property test. Byte strings
 * are latin1 here, so that they compare as bytes do.
 */
export function decodeSlowly(event: Uint8Array): PlainEvent {
  const bytes = Buffer.from(event);
  const u32 = (offset: number): number => bytes.readUInt32LE(offset);
  const i32 = (offset: number): number => bytes.readInt32LE(offset);
  const u16 = (offset: number): number => bytes.readUInt16LE(offset);
  const i64 = (offset: number): bigint => bytes.readBigInt64LE(offset);
  const operation = symbolsOfOperation[u16(at.operation)] ?? 'unknown';

  const text = new Map<string, string>();
  const isTruncated = (name: keyof typeof eventString): boolean => (u16(at.truncated) & (1 << eventString[name])) > 0;
  let place = eventHeaderBytes;
  for (const [name, index] of Object.entries(eventString)) {
    if (name === 'count') continue;
    const length = u16(at.lengths + 2 * index);
    text.set(name, bytes.toString('latin1', place, place + length));
    place += length;
  }
  const string = (name: keyof typeof eventString): string => text.get(name) ?? '';

  const inode = (base: number, path: string, source: number, pathTruncated: boolean): PlainFile => {
    const mode = u32(base + 12);
    const owner = (id: number): number => (id === 0xffff_ffff ? -1 : id);
    const types: Record<number, PlainFile['inodeType']> = {
      0o10: 'regular',
      0o04: 'directory',
      0o12: 'symlink',
      0o02: 'character',
      0o06: 'block',
      0o01: 'fifo',
      0o14: 'socket',
    };
    return {
      path,
      pathSource: symbolsOfPathSource[source] ?? 'unknown',
      pathTruncated,
      device: u32(base + 8),
      inode: i64(base),
      inodeType: types[(mode & 0o170000) >>> 12] ?? symbolsOfInodeType[0],
      inodeMode: mode & 0o7777,
      ownerUid: owner(u32(base + 16)),
      ownerGid: owner(u32(base + 20)),
    };
  };

  const typedFile = (
    place: number,
    source: number,
    names: { readonly base: 'base' | 'newBase'; readonly typed: 'typedPath' | 'newTypedPath' },
  ): PlainFile | undefined => {
    const typed = string(names.typed);
    // Where nothing was typed that could be read, no file is known.
    if (source === 0 || typed === '') return undefined;
    if (source !== 2) return inode(place, typed, source, isTruncated(names.typed));
    const baseName = string(names.base) === '' ? 'cwd' : names.base;
    const whole = typed.startsWith(slash) ? typed : string(baseName) + slash + typed;
    const rooted = typed.startsWith(slash) || string(baseName).startsWith(slash);
    const kept: string[] = [];
    for (const component of whole.split(slash)) {
      if (component === '..') kept.pop();
      else if (component !== '' && component !== '.') kept.push(component);
    }
    const cut = isTruncated(names.typed) || (isTruncated(baseName) && !typed.startsWith(slash)) || !rooted;
    const isName = /^\/*(?!\.{1,2}\/*$)[^/]+\/*$/su.test(typed) && !isTruncated(names.typed);
    const known = isName && !['open', 'exec', 'connect'].includes(operation) ? 4 : source;
    return inode(place, (rooted ? slash : '') + kept.join(slash), known, cut);
  };
  const source = bytes[at.pathSource] ?? 0;
  const secondSource = bytes[at.secondSource] ?? 0;
  const file =
    source === 1
      ? inode(at.fileInode, string('path'), source, isTruncated('path'))
      : typedFile(at.fileInode, source, { base: 'base', typed: 'typedPath' });
  const newFile =
    operation === 'rename'
      ? typedFile(at.secondInode, secondSource, { base: 'newBase', typed: 'newTypedPath' })
      : undefined;
  const unlessOf = (of: PlainFile | undefined, typed: string): string | undefined =>
    typed === '' || typed === of?.path ? undefined : typed;
  const addressSource = bytes[at.addressSource] ?? 0;
  const address = (of: 'address' | 'localAddress', port: number, from: number): PlainAddress => ({
    family: u16(at.addressFamily),
    socketType: u16(at.socketType),
    protocol: u16(at.protocol),
    address: string(of),
    port: u16(port),
    source: symbolsOfAddressSource[from] ?? 'unknown',
  });

  const raw = string('arguments');
  const pieces = raw.split('\0');
  const rest = pieces.pop() ?? '';
  const tty = string('tty');
  return {
    timeNs: i64(at.timeNs),
    cpu: i32(at.cpu),
    sequence: Number(i64(at.sequence)),
    operation,
    syscall: i32(at.syscall),
    process: {
      hostPid: i32(at.hostTgid),
      hostPpid: i32(at.hostPpid),
      pid: i32(at.tgid),
      ppid: i32(at.ppid),
      startTimeNs: i64(at.startTimeNs),
      parentStartTimeNs: i64(at.parentStartTimeNs),
      pidNamespace: u32(at.pidNamespace),
      mountNamespace: u32(at.mountNamespace),
      cgroupId: i64(at.cgroupId),
      containerCgroupId: i64(at.containerCgroupId),
      uid: u32(at.uid),
      euid: u32(at.euid),
      fsuid: u32(at.fsuid),
      gid: u32(at.gid),
      loginUid: u32(at.loginUid),
      tty: tty === '' ? undefined : tty,
      comm: string('comm'),
      executable: string('executable'),
      parentExecutable: string('parentExecutable'),
      cwd: string('cwd'),
    },
    hostTid: i32(at.hostTid),
    tid: i32(at.tid),
    flags: Number(i64(at.flags)),
    mode: i32(at.mode),
    returnValue: Number(i64(at.returnValue)),
    childHostPid: i32(at.childHostTgid),
    childStartTimeNs: operation === 'fork' ? i64(at.childStartTimeNs) : 0n,
    file,
    typedPath: unlessOf(file, string('typedPath')),
    newFile,
    newTypedPath: operation === 'rename' ? unlessOf(newFile, string('newTypedPath')) : undefined,
    fileDescriptor: i32(at.fileDescriptor),
    address: addressSource === 0 ? undefined : address('address', at.port, addressSource),
    localAddress:
      addressSource === 0 || string('localAddress') === '' ? undefined : address('localAddress', at.localPort, 1),
    exec:
      operation !== 'exec'
        ? undefined
        : {
            arguments: rest === '' ? pieces : [...pieces, rest],
            argumentsTruncated: isTruncated('arguments') || rest !== '',
            calledName: string('calledName'),
            interpreterFile:
              secondSource === 0
                ? undefined
                : inode(at.secondInode, string('interpreter'), secondSource, isTruncated('interpreter')),
            callerExecutable: string('callerExecutable'),
            caller: [u32(at.callerUid), u32(at.callerEuid), u32(at.callerFsuid), u32(at.callerGid)],
          },
  };
}
