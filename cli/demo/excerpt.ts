import type { ContainerDescriptor, RawEventBatch } from '../../schemas/generated.ts';
import { BatchRows } from './batch-rows.ts';

/** Host name that a recording shows in the place of the machine's own. */
const recordedHostName = 'recorded-host';

/** As `ContainerExcerpt`, of one container and all batches at once. */
export function excerptOfContainer(batches: readonly RawEventBatch[], containerId: string): readonly RawEventBatch[] {
  const excerpt = new ContainerExcerpt((id) => id === containerId);
  return batches.flatMap((batch) => excerpt.take(batch) ?? []);
}

/**
 * What some containers did in a session's batches, and nothing of the host beside it: a recording goes to strangers, and a
 * machine's process list, paths and names are its owner's. Dictionaries hold only what the kept rows use; sequence numbers are
 * made gapless, and counters left out, so that an excerpt is not taken for a session that lost events. Descriptors of batches
 * that fall away stand ahead in the next one that stays.
 */
export class ContainerExcerpt {
  readonly #isWanted: (containerId: string) => boolean;
  readonly #lastSequence = new Map<number, number>();
  readonly #cgroupIds = new Set<bigint>();
  #waiting: readonly ContainerDescriptor[] = [];
  #batches = 0;

  constructor(isWanted: (containerId: string) => boolean) {
    this.#isWanted = isWanted;
  }

  /** What stays of the next batch; `undefined` where that is nothing. */
  take(batch: RawEventBatch): RawEventBatch | undefined {
    const descriptors = batch.containers.filter((entry) => entry.kind === 'host' || this.#isWanted(entry.containerId));
    for (const { kind, cgroupId } of descriptors) if (kind !== 'host') this.#cgroupIds.add(cgroupId);
    this.#waiting = [...this.#waiting, ...descriptors.map(withoutItsName)];
    const excerpt = excerptOf(batch, this.#cgroupIds, this.#lastSequence);
    if (excerpt.events.length === 0) return undefined;
    this.#batches += 1;
    const kept = { ...excerpt, batch: this.#batches, containers: this.#waiting };
    this.#waiting = [];
    return kept;
  }
}

function excerptOf(
  batch: RawEventBatch,
  cgroupIds: ReadonlySet<bigint>,
  lastSequence: Map<number, number>,
): RawEventBatch {
  const rows = new BatchRows();
  for (const event of batch.events) {
    if (!cgroupIds.has(batch.processes[event.process]?.containerCgroupId ?? 0n)) continue;
    let { sequence } = event;
    if (event.cpu >= 0) {
      sequence = (lastSequence.get(event.cpu) ?? 0) + 1;
      lastSequence.set(event.cpu, sequence);
    }
    rows.add(batch, { ...event, sequence });
  }
  return { ...batch, ...rows.parts(), counters: [], helperFailures: [], gaps: [], sessionEnded: false };
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
