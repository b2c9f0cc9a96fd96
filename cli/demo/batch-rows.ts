import type { CpuSequence, RawEvent, RawEventBatch } from '../../schemas/generated.ts';

/** The parts of a batch that its events make. */
export type BatchParts = Pick<
  RawEventBatch,
  'strings' | 'processes' | 'files' | 'addresses' | 'execs' | 'events' | 'sequences'
>;

/** Distinct entries of one dictionary, in the order of use. */
class Dictionary<Entry> {
  readonly entries: Entry[] = [];
  readonly #places = new Map<string, number>();
  readonly #key: (entry: Entry) => string;

  constructor(key: (entry: Entry) => string) {
    this.#key = key;
  }

  place(entry: Entry): number {
    const key = this.#key(entry);
    const known = this.#places.get(key);
    if (known !== undefined) return known;
    const place = this.entries.push(entry) - 1;
    this.#places.set(key, place);
    return place;
  }
}

/** Puts a batch together from events of others, with dictionaries that hold what these events use and nothing else. */
export class BatchRows {
  readonly #strings = new Dictionary<Uint8Array>((bytes) => Buffer.from(bytes).toString('latin1'));
  readonly #processes = new Dictionary<RawEventBatch['processes'][number]>(keyOf);
  readonly #files = new Dictionary<RawEventBatch['files'][number]>(keyOf);
  readonly #addresses = new Dictionary<RawEventBatch['addresses'][number]>(keyOf);
  readonly #execs = new Dictionary<RawEventBatch['execs'][number]>(keyOf);
  readonly #events: RawEvent[] = [];
  readonly #sequences = new Map<number, CpuSequence>();

  get eventCount(): number {
    return this.#events.length;
  }

  /** Adds an event; its indexes are those of `batch`. Throws RangeError where one leads nowhere. */
  add(batch: RawEventBatch, event: RawEvent): void {
    const string = (index: number): number => placed(this.#strings, batch.strings, index);
    const file = (index: number): number =>
      placed(this.#files, batch.files, index, (entry) => ({ ...entry, path: string(entry.path) }));
    const address = (index: number): number => placed(this.#addresses, batch.addresses, index);
    this.#events.push({
      ...event,
      process: placed(this.#processes, batch.processes, event.process, (entry) => ({
        ...entry,
        tty: string(entry.tty),
        comm: string(entry.comm),
        executable: string(entry.executable),
        parentExecutable: string(entry.parentExecutable),
        cwd: string(entry.cwd),
      })),
      file: file(event.file),
      typedPath: string(event.typedPath),
      address: address(event.address),
      exec: placed(this.#execs, batch.execs, event.exec, (entry) => ({
        ...entry,
        arguments: entry.arguments.map(string),
        calledName: string(entry.calledName),
        interpreterFile: file(entry.interpreterFile),
        callerExecutable: string(entry.callerExecutable),
      })),
      newFile: file(event.newFile),
      newTypedPath: string(event.newTypedPath),
      localAddress: address(event.localAddress),
    });
    const { cpu, sequence } = event;
    // What /proc told has no number.
    if (cpu < 0) return;
    const { first, last, count } = this.#sequences.get(cpu) ?? { first: sequence, last: sequence, count: 0 };
    this.#sequences.set(cpu, {
      cpu,
      first: Math.min(first, sequence),
      last: Math.max(last, sequence),
      count: count + 1,
    });
  }

  /** What has been added, as parts of a batch. */
  parts(): BatchParts {
    return {
      strings: this.#strings.entries,
      processes: this.#processes.entries,
      files: this.#files.entries,
      addresses: this.#addresses.entries,
      execs: this.#execs.entries,
      events: this.#events,
      sequences: [...this.#sequences.values()],
    };
  }
}

/** Where `dictionary` has the entry `index` of `entries`, with `change` applied; -1 stays -1: there is none. */
function placed<Entry>(
  dictionary: Dictionary<Entry>,
  entries: readonly Entry[],
  index: number,
  change: (entry: Entry) => Entry = (entry) => entry,
): number {
  if (index < 0) return -1;
  const entry = entries[index];
  if (entry === undefined) throw new RangeError(`the batch has no dictionary entry ${index}`);
  return dictionary.place(change(entry));
}

/** Tells entries apart; nobody else sees it. */
function keyOf(entry: object): string {
  return JSON.stringify(entry, (_, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value));
}
