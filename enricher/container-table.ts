import type { ContainerDescriptor } from '../schemas/generated.ts';
import type { EvictionOrder } from './eviction-order.ts';

/** Descriptors remembered of one node, beyond which those of containers without a process go, oldest first. */
export const maxContainers = 4_096;

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
  readonly #entries = new Map<bigint, ContainerEntry>();
  readonly #slots: number;
  readonly #order: EvictionOrder;
  readonly #changed = new Set<bigint>();
  #removed: bigint[] = [];

  constructor(options: { readonly slots: number; readonly order: EvictionOrder }) {
    this.#slots = options.slots;
    this.#order = options.order;
  }

  /** Takes a descriptor over, if it is not older than what is known. */
  put(session: bigint, descriptor: ContainerDescriptor): void {
    const known = this.#entries.get(descriptor.cgroupId);
    if (known !== undefined) {
      if (session < known.session) return;
      if (session === known.session && descriptor.version <= known.descriptor.version) return;
    }
    this.#entries.set(descriptor.cgroupId, {
      session,
      order: known?.order ?? this.#order.take(),
      descriptor: copyOf(descriptor),
    });
    this.#changed.add(descriptor.cgroupId);
  }

  /** What is in force for a container's cgroup (0: the host). */
  get(cgroupId: bigint): ContainerDescriptor | undefined {
    return this.#entries.get(cgroupId)?.descriptor;
  }

  /** Forgets what is beyond the limit; `used` are the cgroups with processes. To three quarters, so that it is rare. */
  trim(used: () => ReadonlySet<bigint>): void {
    if (this.#entries.size <= maxContainers) return;
    const inUse = used();
    const oldestFirst = [...this.#entries].sort(([, first], [, second]) => first.order - second.order);
    for (const idle of [true, false]) {
      for (const [cgroupId] of oldestFirst) {
        if (this.#entries.size <= (maxContainers * 3) / 4) return;
        if (cgroupId === 0n || inUse.has(cgroupId) === idle || !this.#entries.delete(cgroupId)) continue;
        if (!idle) this.evicted += 1;
        this.#changed.delete(cgroupId);
        this.#removed.push(cgroupId);
      }
    }
  }

  /** What changed since the last call, and everything of `slot`. */
  takeState(slot: number): { readonly entries: readonly ContainerEntry[]; readonly removed: readonly bigint[] } {
    const entries = [...this.#entries.values()].filter(
      ({ descriptor }) => this.#changed.has(descriptor.cgroupId) || this.#slotOf(descriptor.cgroupId) === slot,
    );
    entries.sort((first, second) => first.order - second.order);
    const removed = this.#removed;
    this.#changed.clear();
    this.#removed = [];
    return { entries, removed };
  }

  /** The inverse of `takeState`. */
  restore(state: {
    readonly slot: number;
    readonly entries: readonly ContainerEntry[];
    readonly removed: readonly bigint[];
  }): void {
    for (const cgroupId of [...this.#entries.keys()]) {
      if (this.#slotOf(cgroupId) === state.slot) this.#entries.delete(cgroupId);
    }
    for (const cgroupId of state.removed) this.#entries.delete(cgroupId);
    for (const entry of state.entries) {
      this.#entries.set(entry.descriptor.cgroupId, { ...entry, descriptor: copyOf(entry.descriptor) });
    }
  }

  #slotOf(cgroupId: bigint): number {
    return Number(BigInt.asUintN(64, cgroupId) % BigInt(this.#slots));
  }
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
