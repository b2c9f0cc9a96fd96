import type { ContainerDescriptor } from '../schemas/generated.ts';
import type { EvictionOrder } from './eviction-order.ts';

/** Descriptors remembered of one node, beyond which those of containers without a process go, oldest first. */
export const maxContainers = 4_096;
/**
 * Bytes of all their names, labels and links, beyond which they go likewise: a thousand for each, and little enough that all
 * of them and the process tree have room in one state record.
 */
const maxContainerBytes = 4 * 1024 * 1024;

/** What is in force for one cgroup. */
export interface ContainerEntry {
  /** In which it was told: a later session counts its versions from 1 again. */
  readonly session: bigint;
  readonly order: number;
  readonly descriptor: ContainerDescriptor;
}

/** What one node knows of its containers and itself, at the place of the stream that was reached. */
export class ContainerTable {
  /** Descriptors forgotten although a process was in their container. */
  evicted = 0;
  readonly #slots: Map<bigint, ContainerEntry>[];
  readonly #order: EvictionOrder;
  readonly #changed = new Set<bigint>();
  /** Among the changed ones those that no state record has: where one is forgotten, none need say so. */
  readonly #untold = new Set<bigint>();
  #removed: bigint[] = [];
  #bytes = 0;

  constructor(options: { readonly slots: number; readonly order: EvictionOrder }) {
    this.#slots = Array.from({ length: options.slots }, () => new Map<bigint, ContainerEntry>());
    this.#order = options.order;
  }

  /** Takes a descriptor over, if it is not older than what is known. */
  put(session: bigint, descriptor: ContainerDescriptor): void {
    const slot = this.#slotOf(descriptor.cgroupId);
    const known = slot.get(descriptor.cgroupId);
    if (known !== undefined) {
      if (session < known.session) return;
      if (session === known.session && descriptor.version <= known.descriptor.version) return;
    }
    const copy = copyOf(known === undefined ? descriptor : withKnown(descriptor, known.descriptor));
    slot.set(descriptor.cgroupId, { session, order: known?.order ?? this.#order.take(), descriptor: copy });
    this.#bytes += bytesOf(copy) - (known === undefined ? 0 : bytesOf(known.descriptor));
    this.#changed.add(descriptor.cgroupId);
    if (known === undefined) this.#untold.add(descriptor.cgroupId);
  }

  /** What is in force for a container's cgroup (0: the host). */
  get(cgroupId: bigint): ContainerDescriptor | undefined {
    return this.#slotOf(cgroupId).get(cgroupId)?.descriptor;
  }

  /** Forgets what is beyond the limits; `used` are the cgroups with processes. To three quarters, so that it is rare. */
  trim(used: () => ReadonlySet<bigint>): void {
    let size = 0;
    for (const slot of this.#slots) size += slot.size;
    if (size <= maxContainers && this.#bytes <= maxContainerBytes) return;
    const inUse = used();
    const oldestFirst = this.#slots.flatMap((slot) => [...slot.values()]).sort(byOrder);
    const isInUse = ({ descriptor: { cgroupId } }: ContainerEntry): boolean => cgroupId === 0n || inUse.has(cgroupId);
    const candidates = [...oldestFirst.filter((entry) => !isInUse(entry)), ...oldestFirst.filter(isInUse)];
    for (const entry of candidates) {
      if (size <= (maxContainers * 3) / 4 && this.#bytes <= (maxContainerBytes * 3) / 4) break;
      const { cgroupId } = entry.descriptor;
      size -= 1;
      this.#bytes -= bytesOf(entry.descriptor);
      if (isInUse(entry)) this.evicted += 1;
      this.#slotOf(cgroupId).delete(cgroupId);
      this.#changed.delete(cgroupId);
      if (!this.#untold.delete(cgroupId)) this.#removed.push(cgroupId);
    }
  }

  /** What changed since the last call, and everything of `slot`. */
  takeState(slot: number): { readonly entries: readonly ContainerEntry[]; readonly removed: readonly bigint[] } {
    const share = this.#slots[slot];
    const entries = [...(share?.values() ?? [])];
    for (const cgroupId of this.#changed) {
      const entry = share?.has(cgroupId) === true ? undefined : this.#slotOf(cgroupId).get(cgroupId);
      if (entry !== undefined) entries.push(entry);
    }
    const removed = this.#removed;
    this.forgetChanges();
    return { entries: entries.sort(byOrder), removed };
  }

  /** Instead of `takeState`, where nobody keeps it. */
  forgetChanges(): void {
    this.#changed.clear();
    this.#untold.clear();
    this.#removed = [];
  }

  /** The inverse of `takeState`. */
  restore(state: {
    readonly slot: number;
    readonly entries: readonly ContainerEntry[];
    readonly removed: readonly bigint[];
  }): void {
    this.#slots[state.slot]?.clear();
    for (const cgroupId of state.removed) this.#slotOf(cgroupId).delete(cgroupId);
    for (const entry of state.entries) {
      const { cgroupId } = entry.descriptor;
      this.#slotOf(cgroupId).set(cgroupId, { ...entry, descriptor: copyOf(entry.descriptor) });
    }
  }

  /** Counts what was restored, when all records are in. */
  finishRestore(): void {
    this.#bytes = 0;
    for (const slot of this.#slots) for (const { descriptor } of slot.values()) this.#bytes += bytesOf(descriptor);
  }

  #slotOf(cgroupId: bigint): Map<bigint, ContainerEntry> {
    const slot = this.#slots[Number(BigInt.asUintN(64, cgroupId) % BigInt(this.#slots.length))];
    if (slot === undefined) throw new Error(`a container table has no slot for cgroup ${cgroupId}`);
    return slot;
  }
}

/** Bytes of what a descriptor says in words, about as a state record has them. */
function bytesOf({ containerId, name, image, labels, cgroupPath, rootLinks }: ContainerDescriptor): number {
  let bytes = cgroupPath.length + Buffer.byteLength(containerId + (name ?? '') + (image ?? ''));
  for (const [key, value] of Object.entries(labels)) bytes += Buffer.byteLength(key) + Buffer.byteLength(value);
  for (const { path, target } of rootLinks ?? []) bytes += path.length + target.length;
  return bytes;
}

function byOrder(first: ContainerEntry, second: ContainerEntry): number {
  return first.order - second.order;
}

/**
 * `descriptor` with what was known of the same container before and is not (yet) known now: a monitor that has just been
 * started has not asked the runtime yet, and a cgroup's id is used once in a boot.
 */
function withKnown(descriptor: ContainerDescriptor, known: ContainerDescriptor): ContainerDescriptor {
  if (descriptor.name !== null || descriptor.containerId !== known.containerId) return descriptor;
  return {
    ...descriptor,
    name: known.name,
    image: descriptor.image ?? known.image,
    labels: { ...known.labels, ...descriptor.labels },
    rootLinks: descriptor.rootLinks ?? known.rootLinks,
  };
}

/** `descriptor` with what Kubernetes says of the container, which is about names and labels only. */
export function withWorkload(
  descriptor: ContainerDescriptor,
  workload: ContainerDescriptor | undefined,
): ContainerDescriptor {
  if (workload === undefined) return descriptor;
  return {
    ...descriptor,
    name: workload.name ?? descriptor.name,
    image: workload.image ?? descriptor.image,
    labels: { ...descriptor.labels, ...workload.labels },
  };
}

/** A copy that doesn't hold the decoded batch in memory, of which its bytes are views. */
function copyOf(descriptor: ContainerDescriptor): ContainerDescriptor {
  return {
    ...descriptor,
    cgroupPath: new Uint8Array(descriptor.cgroupPath),
    rootLinks:
      descriptor.rootLinks?.map(({ path, target }) => ({
        path: new Uint8Array(path),
        target: new Uint8Array(target),
      })) ?? null,
  };
}
