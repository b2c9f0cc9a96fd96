import { PalisadeError } from '../runtime/errors.ts';
import { symbolsOfPathSource } from '../schemas/generated.ts';
import type { AvroWriter } from './avro-writer.ts';
import { isNear, whyInvalid } from './event-check.ts';
import {
  eventAddressSource,
  eventConstant,
  eventHeaderBytes,
  eventOffset as at,
  eventOperation,
  eventPathSource,
  eventString,
} from './event-layout.ts';
import { composePath, type ComposedPath } from './file-path.ts';
import { BytesInterner, WordsInterner } from './interner.ts';
import { ProcessTable, type ContainerSeen } from './process-table.ts';
import { RowSection, rowBytesMax } from './row-section.ts';
import { SequenceTracker } from './sequence-tracker.ts';

/** Kernel bytes that are not events. What could be kept around them was. */
export class KernelEventError extends PalisadeError {
  /** Of the event, in its block. */
  readonly positionBytes: number;
  /** Whether nothing behind it could be read either, for its size is not one. */
  readonly endsBlock: boolean;

  constructor(options: { readonly positionBytes: number; readonly reason: string; readonly endsBlock: boolean }) {
    const rest = options.endsBlock ? '; what follows in the block is lost with it' : '; it is left out';
    super('KERNEL_EVENT_INVALID', `The event at byte ${options.positionBytes} of a block ${options.reason}${rest}.`);
    this.positionBytes = options.positionBytes;
    this.endsBlock = options.endsBlock;
  }
}

const noUid = 0xffff_ffff | 0;
/** The bits of i_mode that say what an inode is, shifted right by 12, to the place in the Avro enum InodeType. */
const inodeTypes = Int32Array.from({ length: 16 }, (_, type) => {
  const known: Readonly<Record<number, number>> = { 8: 1, 4: 2, 10: 3, 2: 4, 6: 5, 1: 6, 12: 7 };
  return known[type] ?? 0;
});

/**
 * Makes rows and dictionaries of struct palisade_event (bpf/event.h), as Avro binary and without an object an event, which is why
 * it reads as it does (`npm run bench -- decode`). Not reentrant; one batch at a time.
 */
export class EventDecoder {
  readonly strings = new BytesInterner();
  readonly processes: ProcessTable;
  readonly files = new RowSection(1 << 14);
  readonly addresses = new RowSection(1 << 12);
  readonly execs = new RowSection(1 << 14);
  readonly events = new RowSection(1 << 17);
  readonly sequences = new SequenceTracker();
  /** What was not valid since the last `clear`, at most `invalidMax` of them. */
  readonly invalid: KernelEventError[] = [];
  /** How many were not valid, those beyond `invalidMax` too. */
  invalidCount = 0;
  readonly #fileKeys = new WordsInterner();
  readonly #addressKeys = new WordsInterner();
  readonly #addressBytes = new BytesInterner();
  readonly #key = new Int32Array(8);
  readonly #composed = new Uint8Array(2 * eventConstant.pathMax + 2);
  readonly #composedView = new DataView(this.#composed.buffer);
  /** By enum palisade_string: where each string of the event at hand begins; one more for the end. */
  readonly #starts = new Int32Array(eventString.count + 1);
  /** Times by their lower and upper 32 bits. */
  #baseLow = 0;
  #baseHigh = 0;
  #highestLow = 0;
  #highestHigh = 0;
  #bytes: Uint8Array = new Uint8Array(0);
  #view: DataView = new DataView(new ArrayBuffer(0));

  constructor(containerSeen: ContainerSeen) {
    this.processes = new ProcessTable(this.strings, containerSeen);
  }

  /** CLOCK_BOOTTIME that this batch's rows are relative to: the highest seen before, at least the first event's. */
  get baseTimeNs(): bigint {
    return timeOf(this.#baseLow, this.#baseHigh);
  }

  /** The highest time seen, in this batch or an earlier one. */
  get highestTimeNs(): bigint {
    return timeOf(this.#highestLow, this.#highestHigh);
  }

  get eventCount(): number {
    return this.events.count;
  }

  /** About how large the batch is by now. */
  get byteLength(): number {
    return (
      this.strings.items.length +
      this.processes.items.length +
      this.files.items.length +
      this.addresses.items.length +
      this.execs.items.length +
      this.events.items.length
    );
  }

  /**
   * Adds the events of `block` from `position` on, until there are `eventsMax` of them or `bytesMax` bytes in the batch.
   * Returns where it stopped: the block's length, or the next event. What is not a valid event is left out and noted in
   * `invalid`; where not even its size can be believed, so is the rest of the block.
   */
  add(block: Uint8Array, position: number, limits: { readonly events: number; readonly bytes: number }): number {
    if (this.#bytes !== block) {
      this.#bytes = block;
      this.#view = new DataView(block.buffer, block.byteOffset, block.byteLength);
    }
    this.processes.beginBytes();
    while (position < block.length && this.events.count < limits.events && this.byteLength < limits.bytes) {
      const left = block.length - position;
      const size = left < eventHeaderBytes ? 0 : this.#view.getUint32(position + at.size, true);
      if (size < eventHeaderBytes || size > left || size % 8 !== 0) {
        this.#refuse(position, left < eventHeaderBytes ? `has ${left} bytes` : `says it has ${size} bytes`, true);
        return block.length;
      }
      const reason = this.#check(position, size);
      if (reason === undefined) this.#event(position);
      else this.#refuse(position, reason, false);
      position += size;
    }
    return position;
  }

  /** Begins the next batch. */
  clear(): void {
    this.strings.clear();
    this.#fileKeys.clear();
    this.#addressKeys.clear();
    this.#addressBytes.clear();
    for (const section of [this.processes, this.files, this.addresses, this.execs, this.events]) section.clear();
    this.forgetInvalid();
  }

  /** What was not valid is noted elsewhere. */
  forgetInvalid(): void {
    this.invalid.length = 0;
    this.invalidCount = 0;
  }

  /** Time has come at least so far: batches from the next one on are relative to it. */
  advanceTime(timeNs: bigint): void {
    this.#noteTime(Number(BigInt.asIntN(32, timeNs)), Number(BigInt.asIntN(32, timeNs >> 32n)));
  }

  #noteTime(low: number, high: number): void {
    if (high > this.#highestHigh || (high === this.#highestHigh && low >>> 0 > this.#highestLow >>> 0)) {
      this.#highestLow = low;
      this.#highestHigh = high;
    }
    if (this.events.count === 0) {
      this.#baseLow = this.#highestLow;
      this.#baseHigh = this.#highestHigh;
    }
  }

  #refuse(positionBytes: number, reason: string, endsBlock: boolean): void {
    this.invalidCount += 1;
    if (this.invalid.length < invalidMax) {
      this.invalid.push(new KernelEventError({ positionBytes, reason, endsBlock }));
    }
  }

  /** Why the event cannot be written so that every reader of the batch can read it; also finds where its strings are. */
  #check(position: number, size: number): string | undefined {
    // Relative times must stay within ±2^53 ns: 52 days to the events before, and as much again to a child's start.
    const timeHigh = this.#view.getInt32(position + at.timeNs + 4, true);
    const isFirst = this.#highestHigh === 0 && this.#highestLow === 0;
    if (!isFirst && !isNear(timeHigh, this.#highestHigh)) return 'is 52 days away from those before it';
    return whyInvalid(this.#view, position, size, this.#starts);
  }

  #event(position: number): void {
    const view = this.#view;
    const timeLow = view.getInt32(position + at.timeNs, true);
    const timeHigh = view.getInt32(position + at.timeNs + 4, true);
    this.#noteTime(timeLow, timeHigh);
    const cpu = view.getInt32(position + at.cpu, true);
    const sequenceLow = view.getInt32(position + at.sequence, true);
    const sequenceHigh = view.getInt32(position + at.sequence + 4, true);
    this.sequences.add(cpu, sequenceHigh * 0x1_0000_0000 + (sequenceLow >>> 0));
    const operation = view.getUint16(position + at.operation, true);

    const process = this.processes.intern(this.#bytes, view, position, this.#starts);
    const file = this.#file(position, operation);
    // Most paths are typed as they are: found out in half the time that looking the string up takes.
    const isOwnPath = view.getUint8(position + at.pathSource) === eventPathSource.object;
    const isAsTyped = isOwnPath && this.#isSame(eventString.path, eventString.typedPath);
    const typed = isAsTyped ? -1 : this.#typedPath(file, eventString.typedPath);
    const isRename = operation === eventOperation.rename;
    const newFile = isRename ? this.#newFile(position) : -1;
    const newTyped = isRename ? this.#typedPath(newFile, eventString.newTypedPath) : -1;
    const address = this.#address(position, at.port, eventString.address);
    const hasLocal = this.#lengthOf(eventString.localAddress) > 0;
    const localAddress = hasLocal ? this.#address(position, at.localPort, eventString.localAddress) : -1;
    const hasExec =
      operation === eventOperation.exec ||
      (operation === eventOperation.existing && this.#lengthOf(eventString.arguments) > 0);
    const exec = hasExec ? this.#exec(position) : -1;

    const out = this.events.items;
    out.reserve(rowBytesMax);
    this.#relativeTime(timeLow, timeHigh);
    out.int(cpu);
    out.long(sequenceLow, sequenceHigh);
    out.int(operation);
    out.int(view.getInt32(position + at.syscall, true));
    out.int(process);
    out.int(view.getInt32(position + at.hostTid, true));
    out.int(view.getInt32(position + at.tid, true));
    this.#long(out, position + at.flags);
    out.int(view.getInt32(position + at.mode, true));
    this.#long(out, position + at.returnValue);
    out.int(view.getInt32(position + at.childHostTgid, true));
    if (operation === eventOperation.fork) {
      this.#relativeTime(
        view.getInt32(position + at.childStartTimeNs, true),
        view.getInt32(position + at.childStartTimeNs + 4, true),
      );
    } else {
      out.int(0);
    }
    out.int(file);
    out.int(typed);
    out.int(view.getInt32(position + at.fileDescriptor, true));
    out.int(address);
    out.int(exec);
    out.int(newFile);
    out.int(newTyped);
    out.int(localAddress);
    this.events.count += 1;
  }

  /** A time as nanoseconds since the batch's base. */
  #relativeTime(low: number, high: number): void {
    const borrow = low >>> 0 < this.#baseLow >>> 0 ? 1 : 0;
    this.events.items.long((low - this.#baseLow) | 0, (high - this.#baseHigh - borrow) | 0);
  }

  #long(out: AvroWriter, position: number): void {
    out.long(this.#view.getInt32(position, true), this.#view.getInt32(position + 4, true));
  }

  #unsigned(out: AvroWriter, position: number): void {
    out.long(this.#view.getInt32(position, true), 0);
  }

  /** Number of a string of the event at hand. */
  #string(string: number): number {
    const starts = this.#starts;
    return this.strings.intern(this.#bytes, this.#view, starts[string] ?? 0, starts[string + 1] ?? 0);
  }

  #lengthOf(string: number): number {
    return (this.#starts[string + 1] ?? 0) - (this.#starts[string] ?? 0);
  }

  /** Whether two strings of the event at hand have the same bytes. */
  #isSame(first: number, second: number): boolean {
    const length = this.#lengthOf(first);
    if (length !== this.#lengthOf(second)) return false;
    const view = this.#view;
    let one = this.#starts[first] ?? 0;
    let other = this.#starts[second] ?? 0;
    const end = one + length;
    for (const wordsEnd = end - 3; one < wordsEnd; one += 4, other += 4) {
      if (view.getInt32(one, true) !== view.getInt32(other, true)) return false;
    }
    for (; one < end; one++, other++) if (this.#bytes[one] !== this.#bytes[other]) return false;
    return true;
  }

  #isTruncated(position: number, string: number): boolean {
    return ((this.#view.getUint16(position + at.truncated, true) >> string) & 1) !== 0;
  }

  /** Number of the event's file; -1: it has none. */
  #file(position: number, operation: number): number {
    const source = this.#view.getUint8(position + at.pathSource);
    if (source === eventPathSource.object) {
      const truncated = this.#isTruncated(position, eventString.path);
      return this.#fileObject(this.#string(eventString.path), source, truncated, position + at.fileInode);
    }
    const followsName =
      operation === eventOperation.open || operation === eventOperation.exec || operation === eventOperation.connect;
    return this.#typedFile(position, oldName, source, followsName);
  }

  /** Number of the file that a rename's new name is; -1: not known. */
  #newFile(position: number): number {
    return this.#typedFile(position, newName, this.#view.getUint8(position + at.secondSource), false);
  }

  /** Number of a file that is known by what was typed. `followsName`: the call goes on where the last component is a link. */
  #typedFile(position: number, name: TypedName, source: number, followsName: boolean): number {
    // Nothing was typed that could be read (EFAULT), or nothing at all (ENOENT): no file is known.
    if (source === eventPathSource.unknown || this.#lengthOf(name.typed) === 0) return -1;
    const typedTruncated = this.#isTruncated(position, name.typed);
    if (source !== eventPathSource.baseAndText) {
      return this.#fileObject(this.#string(name.typed), source, typedTruncated, position + name.inode);
    }
    const base = this.#lengthOf(name.base) > 0 ? name.base : eventString.cwd;
    const composed = this.#composePath(base, name.typed);
    const path = this.strings.intern(this.#composed, this.#composedView, 0, composed.length);
    const truncated =
      composed.isSuffix || typedTruncated || (this.#isTruncated(position, base) && !composed.isAbsolute);
    const known = composed.isName && !followsName && !typedTruncated ? directoryAndName : source;
    return this.#fileObject(path, known, truncated, position + name.inode);
  }

  #composePath(base: number, typedPath: number): ComposedPath {
    const starts = this.#starts;
    const directory = this.#bytes.subarray(starts[base], starts[base + 1]);
    const typed = this.#bytes.subarray(starts[typedPath], starts[typedPath + 1]);
    const into =
      directory.length + typed.length + 2 <= this.#composed.length
        ? this.#composed
        : new Uint8Array(directory.length + typed.length + 2);
    const composed = composePath(into, directory, typed);
    if (into === this.#composed) return composed;
    // Only hostile bytes are so long: no path is. Keep what fits, as a suffix.
    const kept = Math.min(composed.length, this.#composed.length);
    this.#composed.set(into.subarray(composed.length - kept, composed.length));
    return { ...composed, length: kept, isSuffix: true, isAbsolute: false };
  }

  /** Number of a file by what stands in a struct palisade_inode. */
  #fileObject(path: number, source: number, truncated: boolean, inode: number): number {
    const view = this.#view;
    const key = this.#key;
    key[0] = path;
    key[1] = 2 * source + (truncated ? 1 : 0);
    for (let word = 0; word < 6; word++) key[2 + word] = view.getInt32(inode + 4 * word, true);
    const known = this.#fileKeys.count;
    const file = this.#fileKeys.intern(key, 8);
    if (file < known) return file;

    const out = this.files.items;
    const mode = key[5] ?? 0;
    out.reserve(rowBytesMax);
    out.int(path);
    out.int(source);
    out.boolean(truncated);
    out.unsigned(key[4] ?? 0);
    out.long(key[2] ?? 0, key[3] ?? 0);
    out.int(inodeTypes[(mode >>> 12) & 15] ?? 0);
    out.int(mode & 0o7777);
    for (const owner of [key[6] ?? 0, key[7] ?? 0]) {
      if (owner === noUid) out.int(-1);
      else out.unsigned(owner);
    }
    this.files.count += 1;
    return file;
  }

  /** Number of a typed path; -1 where nothing was typed or `file`, which it stands for, has that very path. */
  #typedPath(file: number, string: number): number {
    if (this.#lengthOf(string) === 0) return -1;
    const typed = this.#string(string);
    // #key still holds the file that was asked for last.
    return file >= 0 && this.#key[0] === typed ? -1 : typed;
  }

  /** Number of an address, of which `port` and `string` say where its parts are; -1: the event has none. */
  #address(position: number, portOffset: number, string: number): number {
    const view = this.#view;
    if (view.getUint8(position + at.addressSource) === eventAddressSource.unknown) return -1;
    const family = view.getUint16(position + at.addressFamily, true);
    const socketType = view.getUint16(position + at.socketType, true);
    const protocol = view.getUint16(position + at.protocol, true);
    const port = view.getUint16(position + portOffset, true);
    // A socket's own end is never what the caller says.
    const source =
      string === eventString.localAddress ? eventAddressSource.object : view.getUint8(position + at.addressSource);
    const start = this.#starts[string] ?? 0;
    const end = this.#starts[string + 1] ?? 0;
    const key = this.#key;
    key[0] = family;
    key[1] = (socketType << 16) | protocol;
    key[2] = (source << 16) | port;
    key[3] = this.#addressBytes.intern(this.#bytes, view, start, end);
    const known = this.#addressKeys.count;
    const address = this.#addressKeys.intern(key, 4);
    if (address < known) return address;

    const out = this.addresses.items;
    out.reserve(rowBytesMax);
    out.int(family);
    out.int(socketType);
    out.int(protocol);
    out.slice(this.#bytes, start, end);
    out.int(port);
    out.int(source);
    this.addresses.count += 1;
    return address;
  }

  #exec(position: number): number {
    const out = this.execs.items;
    const bytes = this.#bytes;
    const start = this.#starts[eventString.arguments] ?? 0;
    const end = this.#starts[eventString.arguments + 1] ?? 0;
    let count = 0;
    for (let place = start; place < end; place++) if (bytes[place] === 0 || place === end - 1) count += 1;
    out.reserve(rowBytesMax + 5 * count);
    if (count > 0) out.int(count);
    let first = start;
    for (let place = start; place < end; place++) {
      if (bytes[place] === 0) {
        out.int(this.strings.intern(bytes, this.#view, first, place));
        first = place + 1;
      }
    }
    // Without its NUL: the last one, cut.
    if (first < end) out.int(this.strings.intern(bytes, this.#view, first, end));
    out.int(0);
    out.boolean(this.#isTruncated(position, eventString.arguments) || first < end);
    out.int(this.#string(eventString.calledName));
    out.int(this.#interpreter(position));
    out.int(this.#string(eventString.callerExecutable));
    for (const offset of [at.callerUid, at.callerEuid, at.callerFsuid, at.callerGid]) {
      this.#unsigned(out, position + offset);
    }
    this.execs.count += 1;
    return this.execs.count - 1;
  }

  #interpreter(position: number): number {
    const source = this.#view.getUint8(position + at.secondSource);
    if (source === eventPathSource.unknown) return -1;
    return this.#fileObject(
      this.#string(eventString.interpreter),
      source,
      this.#isTruncated(position, eventString.interpreter),
      position + at.secondInode,
    );
  }
}

/** Where a name that a caller typed is in an event, and the inode that it may stand for. */
interface TypedName {
  readonly base: number;
  readonly typed: number;
  readonly inode: number;
}
const oldName: TypedName = { base: eventString.base, typed: eventString.typedPath, inode: at.fileInode };
const newName: TypedName = { base: eventString.newBase, typed: eventString.newTypedPath, inode: at.secondInode };
/** Of the Avro enum PathSource; the kernel's programs do not look into the text. */
const directoryAndName = symbolsOfPathSource.indexOf('directoryAndName');

/** Invalid events described in full; of more only the number is kept. */
const invalidMax = 16;

function timeOf(low: number, high: number): bigint {
  return (BigInt(high) << 32n) | BigInt(low >>> 0);
}
