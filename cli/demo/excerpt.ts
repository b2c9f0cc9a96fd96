import type { ContainerDescriptor, RawEventBatch } from '../../schemas/generated.ts';

/** Host name that a recording shows in the place of the machine's own. */
const recordedHostName = 'recorded-host';

/**
 * What one container did in these batches, and nothing of the host beside it: a recording goes to strangers, and a machine's
 * process list, paths and names are its owner's. Dictionaries hold only what the kept rows use; sequence numbers are made
 * gapless, and counters left out, so that an excerpt is not taken for a session that lost events. Descriptors of batches
 * that fall away stand ahead in the next one that stays.
 */
export function excerptOfContainer(batches: readonly RawEventBatch[], containerId: string): readonly RawEventBatch[] {
  const lastSequence = new Map<number, number>();
  const cgroupIds = new Set<bigint>();
  const excerpts: RawEventBatch[] = [];
  let waiting: readonly ContainerDescriptor[] = [];
  for (const batch of batches) {
    const descriptors = batch.containers.filter((entry) => entry.kind === 'host' || entry.containerId === containerId);
    for (const { kind, cgroupId } of descriptors) if (kind !== 'host') cgroupIds.add(cgroupId);
    waiting = [...waiting, ...descriptors.map(withoutItsName)];
    const excerpt = excerptOf(batch, cgroupIds, lastSequence);
    if (excerpt.events.length === 0) continue;
    excerpts.push({ ...excerpt, batch: excerpts.length + 1, containers: waiting });
    waiting = [];
  }
  return excerpts;
}

/** Hands out new places in a dictionary, in the order of use. */
class Reindex<Entry> {
  readonly kept: Entry[] = [];
  readonly #places = new Map<number, number>();
  readonly #entries: readonly Entry[];

  constructor(entries: readonly Entry[]) {
    this.#entries = entries;
  }

  /** The new place of `index`; -1 stays -1. `change` adapts an entry the first time that it is used. */
  place(index: number, change: (entry: Entry) => Entry = (entry) => entry): number {
    if (index < 0) return -1;
    const known = this.#places.get(index);
    if (known !== undefined) return known;
    const entry = this.#entries[index];
    if (entry === undefined) throw new RangeError(`the batch has no dictionary entry ${index}`);
    const place = this.kept.push(change(entry)) - 1;
    this.#places.set(index, place);
    return place;
  }
}

function excerptOf(
  batch: RawEventBatch,
  cgroupIds: ReadonlySet<bigint>,
  lastSequence: Map<number, number>,
): RawEventBatch {
  const strings = new Reindex(batch.strings);
  const processes = new Reindex(batch.processes);
  const files = new Reindex(batch.files);
  const addresses = new Reindex(batch.addresses);
  const execs = new Reindex(batch.execs);
  const string = (index: number): number => strings.place(index);
  const file = (index: number): number => files.place(index, (entry) => ({ ...entry, path: string(entry.path) }));
  const ranges = new Map<number, { first: number; last: number; count: number }>();
  const events = batch.events
    .filter((event) => cgroupIds.has(batch.processes[event.process]?.containerCgroupId ?? 0n))
    .map((event) => {
      const sequence = event.cpu < 0 ? event.sequence : (lastSequence.get(event.cpu) ?? 0) + 1;
      if (event.cpu >= 0) {
        lastSequence.set(event.cpu, sequence);
        const range = ranges.get(event.cpu) ?? { first: sequence, last: sequence, count: 0 };
        ranges.set(event.cpu, { first: range.first, last: sequence, count: range.count + 1 });
      }
      return {
        ...event,
        sequence,
        process: processes.place(event.process, (entry) => ({
          ...entry,
          tty: string(entry.tty),
          comm: string(entry.comm),
          executable: string(entry.executable),
          parentExecutable: string(entry.parentExecutable),
          cwd: string(entry.cwd),
        })),
        file: file(event.file),
        typedPath: string(event.typedPath),
        address: addresses.place(event.address),
        exec: execs.place(event.exec, (entry) => ({
          ...entry,
          arguments: entry.arguments.map(string),
          calledName: string(entry.calledName),
          interpreterFile: file(entry.interpreterFile),
          callerExecutable: string(entry.callerExecutable),
        })),
      };
    });
  return {
    ...batch,
    strings: strings.kept,
    processes: processes.kept,
    files: files.kept,
    addresses: addresses.kept,
    execs: execs.kept,
    events,
    sequences: [...ranges].map(([cpu, range]) => ({ cpu, ...range })),
    counters: [],
    helperFailures: [],
    gaps: [],
    sessionEnded: false,
  };
}

function withoutItsName(descriptor: ContainerDescriptor): ContainerDescriptor {
  if (descriptor.kind !== 'host' || descriptor.host === null) return descriptor;
  const labels = Object.fromEntries(
    Object.entries(descriptor.labels).map(([key, value]) => [
      key,
      value === descriptor.host?.hostName ? recordedHostName : value,
    ]),
  );
  return {
    ...descriptor,
    name: descriptor.name === null ? null : recordedHostName,
    labels,
    host: {
      ...descriptor.host,
      hostName: recordedHostName,
      // The series, without what a vendor or a person has named their build.
      kernelRelease: descriptor.host.kernelRelease.replace(/-.*$/u, ''),
    },
  };
}
