import { eventHeaderBytes, eventOffset as at, eventString } from '../../collector/event-layout.ts';
import {
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
  'timeNs' | 'childStartTimeNs' | 'process' | 'file' | 'typedPath' | 'address' | 'exec'
> {
  readonly timeNs: bigint;
  readonly childStartTimeNs: bigint;
  readonly process: PlainProcess;
  readonly file: PlainFile | undefined;
  readonly typedPath: string | undefined;
  readonly address: (Omit<SocketAddress, 'address'> & { readonly address: string }) | undefined;
  readonly exec: PlainExec | undefined;
}
export type PlainProcess = Omit<ProcessContext, 'tty' | 'comm' | 'executable' | 'parentExecutable' | 'cwd'> &
  Readonly<Record<'comm' | 'executable' | 'parentExecutable' | 'cwd', string>> & { readonly tty: string | undefined };
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

  const source = bytes[at.pathSource] ?? 0;
  let file: PlainFile | undefined;
  if (source === 1) file = inode(at.fileInode, string('path'), source, isTruncated('path'));
  // Where nothing was typed that could be read, no file is known.
  const isTyped = string('typedPath') !== '';
  if (source === 3 && isTyped) file = inode(at.fileInode, string('typedPath'), source, isTruncated('typedPath'));
  if (source === 2 && isTyped) {
    const baseName = string('base') === '' ? 'cwd' : 'base';
    const typed = string('typedPath');
    const whole = typed.startsWith(slash) ? typed : string(baseName) + slash + typed;
    const rooted = typed.startsWith(slash) || string(baseName).startsWith(slash);
    const kept: string[] = [];
    for (const component of whole.split(slash)) {
      if (component === '..') kept.pop();
      else if (component !== '' && component !== '.') kept.push(component);
    }
    const cut = isTruncated('typedPath') || (isTruncated(baseName) && !typed.startsWith(slash)) || !rooted;
    file = inode(at.fileInode, (rooted ? slash : '') + kept.join(slash), source, cut);
  }

  const interpreterSource = bytes[at.interpreterSource] ?? 0;
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
    typedPath: string('typedPath') === '' || string('typedPath') === file?.path ? undefined : string('typedPath'),
    fileDescriptor: i32(at.fileDescriptor),
    address:
      u16(at.addressFamily) === 0
        ? undefined
        : {
            family: u16(at.addressFamily),
            socketType: u16(at.socketType),
            protocol: u16(at.protocol),
            address: string('address'),
            port: u16(at.port),
          },
    exec:
      operation !== 'exec'
        ? undefined
        : {
            arguments: rest === '' ? pieces : [...pieces, rest],
            argumentsTruncated: isTruncated('arguments') || rest !== '',
            calledName: string('calledName'),
            interpreterFile:
              interpreterSource === 0
                ? undefined
                : inode(at.interpreterInode, string('interpreter'), interpreterSource, isTruncated('interpreter')),
            callerExecutable: string('callerExecutable'),
            caller: [u32(at.callerUid), u32(at.callerEuid), u32(at.callerFsuid), u32(at.callerGid)],
          },
  };
}
