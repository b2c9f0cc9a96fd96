import { stringsBytesMax } from './event-check.ts';
import { eventHeaderBytes, eventOffset as at, eventString } from './event-layout.ts';
import { WordsInterner, type BytesInterner } from './interner.ts';
import { RowSection, rowBytesMax } from './row-section.ts';

/** Called for each distinct process of a batch that is in a container, before the batch ends. */
export type ContainerSeen = (containerCgroupId: bigint, hostPid: number) => void;

/** The strings that tell of a process are an event's first ones, one behind the other. */
const stringsEnd = eventString.tty + 1;
/** Of the largest key: the numbers, and the strings as words. */
const keyWordsMax = 64 + stringsBytesMax / 4;
/** A power of two. */
const recentSlots = 256;

/** A batch's dictionary of processes, ProcessContext. */
export class ProcessTable extends RowSection {
  readonly #strings: BytesInterner;
  readonly #containerSeen: ContainerSeen;
  readonly #keys = new WordsInterner();
  readonly #key = new Int32Array(keyWordsMax);
  /** By the lower bits of a pid: the process that came last with them, or -1. Most events are of few processes. */
  readonly #recent = new Int32Array(recentSlots).fill(-1);
  /** Where in the bytes at hand an event of that process is; -1: it is not known to be in them. */
  readonly #places = new Int32Array(recentSlots).fill(-1);

  /** `strings` is the batch's. */
  constructor(strings: BytesInterner, containerSeen: ContainerSeen) {
    super(1 << 14);
    this.#strings = strings;
    this.#containerSeen = containerSeen;
  }

  /** The number of the process of the event at `position`, whose strings begin at `starts`. */
  intern(bytes: Uint8Array, view: DataView, position: number, starts: Int32Array): number {
    const end = starts[stringsEnd] ?? 0;
    const slot = view.getInt32(position + at.hostTgid, true) & (recentSlots - 1);
    const recent = this.#recent[slot] ?? -1;
    const place = this.#places[slot] ?? -1;
    // Events of one block are compared where they are; a key is made only for the first of a process.
    if (recent >= 0 && place >= 0 && isSameProcess(bytes, view, place, position, end)) return recent;
    const used = this.#fillKey(bytes, view, position, end);
    const isRecent = recent >= 0 && this.#keys.equals(recent, this.#key, used);
    const process = isRecent ? recent : this.#keys.intern(this.#key, used);
    this.#recent[slot] = process;
    this.#places[slot] = position;
    if (process === this.count) this.#add(bytes, view, position, starts);
    return process;
  }

  /** Whatever comes now may be in other bytes, or in the same memory with other bytes in it. */
  beginBytes(): void {
    this.#places.fill(-1);
  }

  override clear(): void {
    super.clear();
    this.#keys.clear();
    this.#recent.fill(-1);
  }

  /** Everything that a row says, as the event has it; the strings whole, so that they are made only for a new process. */
  #fillKey(bytes: Uint8Array, view: DataView, position: number, end: number): number {
    const key = this.#key;
    let used = 0;
    // Times and cgroups, then pids without those of the thread, then credentials and namespaces.
    for (let place = position + at.startTimeNs; place < position + at.childStartTimeNs; place += 4) {
      key[used++] = view.getInt32(place, true);
    }
    key[used++] = view.getInt32(position + at.hostTgid, true);
    key[used++] = view.getInt32(position + at.hostPpid, true);
    key[used++] = view.getInt32(position + at.tgid, true);
    for (let place = position + at.ppid; place < position + at.callerUid; place += 4) {
      key[used++] = view.getInt32(place, true);
    }
    for (let string = 0; string < stringsEnd; string++) {
      key[used++] = view.getUint16(position + at.lengths + 2 * string, true);
    }
    let place = position + eventHeaderBytes;
    for (const wordsEnd = end - 3; place < wordsEnd; place += 4) key[used++] = view.getInt32(place, true);
    for (; place < end; place++) key[used++] = bytes[place] ?? 0;
    return used;
  }

  #add(bytes: Uint8Array, view: DataView, position: number, starts: Int32Array): void {
    const string = (number: number): number =>
      this.#strings.intern(bytes, view, starts[number] ?? 0, starts[number + 1] ?? 0);
    const out = this.items;
    out.reserve(rowBytesMax);
    for (const offset of [at.hostTgid, at.hostPpid, at.tgid, at.ppid]) out.int(view.getInt32(position + offset, true));
    for (const offset of [at.startTimeNs, at.parentStartTimeNs]) {
      out.long(view.getInt32(position + offset, true), view.getInt32(position + offset + 4, true));
    }
    for (const offset of [at.pidNamespace, at.mountNamespace]) out.unsigned(view.getInt32(position + offset, true));
    for (const offset of [at.cgroupId, at.containerCgroupId]) {
      out.long(view.getInt32(position + offset, true), view.getInt32(position + offset + 4, true));
    }
    for (const offset of [at.uid, at.euid, at.fsuid, at.gid, at.loginUid]) {
      out.unsigned(view.getInt32(position + offset, true));
    }
    const hasTty = starts[eventString.tty] !== starts[eventString.tty + 1];
    out.int(hasTty ? string(eventString.tty) : -1);
    out.int(string(eventString.comm));
    out.int(string(eventString.executable));
    out.int(string(eventString.parentExecutable));
    out.int(string(eventString.cwd));
    this.count += 1;
    const container = view.getBigInt64(position + at.containerCgroupId, true);
    if (container !== 0n) this.#containerSeen(container, view.getInt32(position + at.hostTgid, true));
  }
}

/** Whether all that `#fillKey` takes of the event at `position`, whose strings of the process end at `end`, is so at `place`. */
function isSameProcess(bytes: Uint8Array, view: DataView, place: number, position: number, end: number): boolean {
  const differs = (offset: number): boolean =>
    view.getInt32(place + offset, true) !== view.getInt32(position + offset, true);
  for (let offset: number = at.startTimeNs; offset < at.childStartTimeNs; offset += 4)
    if (differs(offset)) return false;
  if (differs(at.hostTgid) || differs(at.hostPpid) || differs(at.tgid)) return false;
  for (let offset: number = at.ppid; offset < at.callerUid; offset += 4) if (differs(offset)) return false;
  for (let offset: number = at.lengths; offset < at.lengths + 2 * stringsEnd; offset += 2) {
    if (view.getUint16(place + offset, true) !== view.getUint16(position + offset, true)) return false;
  }
  let offset = eventHeaderBytes;
  for (const wordsEnd = end - position - 3; offset < wordsEnd; offset += 4) if (differs(offset)) return false;
  for (const bytesEnd = end - position; offset < bytesEnd; offset++) {
    if (bytes[place + offset] !== bytes[position + offset]) return false;
  }
  return true;
}
