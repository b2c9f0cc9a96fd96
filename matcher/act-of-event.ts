import type { Act, ActResource, NamedAct, PathAct } from '../policy/act.ts';
import type { FileObject, ProcessContext, RawEvent, RawEventBatch, SocketAddress } from '../schemas/generated.ts';
import { cleanPath } from './clean-path.ts';
import { errno, openFlags, renameFlags } from './linux-names.ts';
import { fallsToPosture, protocolNamesOf } from './socket-act.ts';

/** An event as rules see it, with what its alert will need of the batch. */
export interface JudgedEvent {
  readonly act: Act;
  readonly event: RawEvent;
  readonly process: ProcessContext;
  /** By resource of the act: the file that it stands for. */
  readonly files: readonly FileObject[];
  /** Of a network act: the socket that was made, or its peer where one is known. */
  readonly socket: SocketAddress | undefined;
  /** What the program that runs was given after argv[0]: of a script that is its interpreter. Empty where it is no exec. */
  readonly programArguments: readonly Uint8Array[];
}

const noBytes = new Uint8Array(0);
const slash = 0x2f;
const nowhere = new Uint8Array();

/** The bytes of a batch's string; empty where the index leads nowhere. */
export function stringOf(batch: RawEventBatch, index: number): Uint8Array {
  return batch.strings[index] ?? noBytes;
}

/**
 * What rules can say something about: an exec that ran or was tried, an open for reading or writing, a name removed or
 * changed, a socket made and again when it connects or accepts. `undefined` for every other event, and where the batch doesn't say what it was done to.
 */
export function actOfEvent(batch: RawEventBatch, event: RawEvent): JudgedEvent | undefined {
  const process = batch.processes[event.process];
  if (process === undefined) return undefined;
  switch (event.operation) {
    case 'exec':
      return execAct(batch, event, process);
    case 'open':
      return openAct(batch, event, process);
    case 'unlink':
    case 'rmdir':
      return removeAct(batch, event, process);
    case 'rename':
      return renameAct(batch, event, process);
    case 'socket':
    case 'connect':
    case 'accept':
      return socketAct(batch, event, process);
    case 'unknown':
    case 'existing':
    case 'fork':
    case 'exit':
    case 'bind':
    case 'listen':
      return undefined;
  }
}

function execAct(batch: RawEventBatch, event: RawEvent, process: ProcessContext): JudgedEvent | undefined {
  const program = batch.files[event.file];
  const exec = batch.execs[event.exec];
  if (program === undefined || exec === undefined) return undefined;
  const cwd = stringOf(batch, process.cwd);
  const interpreter = batch.files[exec.interpreterFile];
  const files = interpreter === undefined ? [program] : [program, interpreter];
  const resources = files.map((file) => resourceOf(batch, file, cwd));
  const [first] = resources;
  const called = stringOf(batch, exec.calledName);
  const programArguments = exec.arguments.slice(1).map((index) => stringOf(batch, index));
  if (first !== undefined && called.length > 0) {
    const calledName = cleanPath(called, cwd);
    if (Buffer.compare(calledName, first.path) !== 0) resources[0] = { ...first, calledName };
  }
  const act: PathAct = {
    dimension: 'process',
    resources,
    source: stringOf(batch, exec.callerExecutable),
    write: false,
    fsuid: exec.callerFsuid,
    hasTerminal: process.tty >= 0,
    arguments: interpreter === undefined ? programArguments : callArguments(programArguments, called),
    argumentsTruncated: exec.argumentsTruncated,
  };
  return { act, event, process, files, programArguments, socket: undefined };
}

/**
 * The arguments of the call that ran a script. The kernel has put the interpreter, its own argument if there is one, and the
 * script's name in the place of argv[0], for each script on the way to the last interpreter (fs/binfmt_script.c, v6.1): what
 * follows the name that was called is the call's own. The first such name counts: what the caller chose comes behind it.
 */
function callArguments(programArguments: readonly Uint8Array[], called: Uint8Array): readonly Uint8Array[] {
  const place = programArguments.findIndex((argument) => Buffer.compare(argument, called) === 0);
  return programArguments.slice(place + 1);
}

function openAct(batch: RawEventBatch, event: RawEvent, process: ProcessContext): JudgedEvent | undefined {
  const file = batch.files[event.file];
  // O_PATH names a file and opens nothing.
  if (file === undefined || (event.flags & openFlags.path) !== 0) return undefined;
  const resources = [resourceOf(batch, file, stringOf(batch, process.cwd))];
  const act = fileAct(batch, process, { resources, write: opensForWriting(event.flags) });
  return { act, event, process, files: [file], programArguments: [], socket: undefined };
}

function removeAct(batch: RawEventBatch, event: RawEvent, process: ProcessContext): JudgedEvent | undefined {
  const file = batch.files[event.file];
  if (file === undefined) return undefined;
  const resource = resourceOf(batch, file, stringOf(batch, process.cwd));
  const isDirectory = removesDirectory(event) ?? resource.isDirectory;
  const act = fileAct(batch, process, { resources: [{ ...resource, isDirectory }], write: true });
  return { act, event, process, files: [file], programArguments: [], socket: undefined };
}

/** Whether what stood under the name was a directory, as far as call and answer tell. */
function removesDirectory({ operation, returnValue }: RawEvent): boolean | undefined {
  if (operation === 'rmdir') return returnValue !== -errno.ENOTDIR;
  if (returnValue === -errno.EISDIR) return true;
  return returnValue >= 0 ? false : undefined;
}

/** An act on both names: what is done to either is done by it. */
function renameAct(batch: RawEventBatch, event: RawEvent, process: ProcessContext): JudgedEvent | undefined {
  // One of them may not be known: what could not be read by the end of the call.
  const files = [batch.files[event.file], batch.files[event.newFile]].filter((file) => file !== undefined);
  if (files.length === 0) return undefined;
  // Where nothing may be replaced, and the call went well, nothing stood there: what does not exist is its maker's.
  const isNew = (event.flags & renameFlags.noReplace) !== 0 && event.returnValue >= 0;
  const cwd = stringOf(batch, process.cwd);
  const resources = files.map((file): ActResource => {
    const resource = resourceOf(batch, file, cwd);
    return isNew && file === batch.files[event.newFile] ? { ...resource, ownerUid: undefined } : resource;
  });
  const act = fileAct(batch, process, { resources, write: true });
  return { act, event, process, files, programArguments: [], socket: undefined };
}

function socketAct(batch: RawEventBatch, event: RawEvent, process: ProcessContext): JudgedEvent | undefined {
  // An accept that failed has no peer, and is one of the socket that was to accept.
  const socket = batch.addresses[event.address] ?? batch.addresses[event.localAddress];
  if (socket === undefined) return undefined;
  const act: NamedAct = {
    dimension: 'network',
    names: protocolNamesOf(socket),
    fallsToPosture: fallsToPosture(socket),
    source: stringOf(batch, process.executable),
    hasTerminal: process.tty >= 0,
  };
  return { act, event, process, files: [], programArguments: [], socket };
}

/** An act of the process on files. */
function fileAct(
  batch: RawEventBatch,
  process: ProcessContext,
  { resources, write }: Pick<PathAct, 'resources' | 'write'>,
): PathAct {
  return {
    dimension: 'file',
    resources,
    source: stringOf(batch, process.executable),
    write,
    fsuid: process.fsuid,
    hasTerminal: process.tty >= 0,
    arguments: [],
    argumentsTruncated: false,
  };
}

/** For writing, appending or truncation, or creating: whether O_CREAT found the file there is not known afterwards. */
function opensForWriting(flags: number): boolean {
  return (
    (flags & openFlags.accessMode) !== openFlags.readOnly ||
    (flags & (openFlags.create | openFlags.truncate | openFlags.append)) !== 0
  );
}

function resourceOf(batch: RawEventBatch, file: FileObject, cwd: Uint8Array): ActResource {
  const path = stringOf(batch, file.path);
  const { inodeType } = file;
  // What was typed is relative to a directory that nobody knows: the end of a path, whole components of it.
  const isRelativeText = file.pathSource === 'text' && path[0] !== slash;
  return {
    path: isRelativeText ? cleanPath(path, nowhere) : absolutePath(file, path, cwd),
    isDirectory: inodeType === 'unknown' ? undefined : inodeType === 'directory',
    ownerUid: file.ownerUid,
    truncated: file.pathTruncated || isRelativeText,
  };
}

function absolutePath(file: FileObject, path: Uint8Array, cwd: Uint8Array): Uint8Array {
  if (file.pathTruncated) return fromFirstSlash(path);
  return file.pathSource === 'object' ? path : cleanPath(path, cwd);
}

/** The known end of a path may begin in the middle of a component: that component is not known. */
function fromFirstSlash(path: Uint8Array): Uint8Array {
  const start = path.indexOf(slash);
  return start <= 0 ? path : path.subarray(start);
}
