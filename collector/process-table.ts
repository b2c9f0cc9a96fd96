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

  /** `strings` is the batch's. */
  constructor(strings: BytesInterner, containerSeen: ContainerSeen) {
    super(1 << 14);
    this.#strings = strings;
    this.#containerSeen = containerSeen;
  }

  /** The number of the process of the event at `position`, whose strings begin at `starts`. */
  intern(bytes: Uint8Array, view: DataView, position: number, starts: Int32Array): number {
    const used = this.#fillKey(bytes, view, position, starts[stringsEnd] ?? 0);
    const slot = view.getInt32(position + at.hostTgid, true) & (recentSlots - 1);
    const recent = this.#recent[slot] ?? -1;
    if (recent >= 0 && this.#keys.equals(recent, this.#key, used)) return recent;
    const process = this.#keys.intern(this.#key, used);
    this.#recent[slot] = process;
    if (process === this.count) this.#add(bytes, view, position, starts);
    return process;
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
