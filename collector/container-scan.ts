import { KernelError } from '../native/kernel-error.ts';
import { cgroupsOf, type CgroupHierarchy } from './cgroup-hierarchy.ts';
import { recognizeCgroup } from './container-id.ts';
import { deleteContainer, readContainers, writeContainer, type ContainerMaps } from './container-maps.ts';
import type { RuntimeStates } from './runtime-state.ts';

/** E2BIG: what a hash map answers that is full (bpf(2)). */
const mapIsFull = 7;

/** A container that somebody has kept the cgroup of. */
export interface FoundContainer {
  readonly cgroupId: bigint;
  /** In the deciding hierarchy; bytes as latin1. */
  readonly path: string;
}

/**
 * Brings the kernel's map of containers to what is there now: what is gone is deleted, what already ran is added. Known by the
 * layout of their cgroups, then by their runtimes' state files, then from the collector's own list of an earlier session; what
 * an earlier session's hooks had registered is in the map still. The hooks are at work meanwhile: what is made after this has
 * looked is theirs. Returns how many did not fit (`containersMax` of bpf/container.h): what is in those is told as the host's.
 * Throws what the map threw.
 */
export function scanContainers(options: {
  readonly maps: ContainerMaps;
  readonly hierarchy: CgroupHierarchy;
  readonly states: RuntimeStates;
  readonly saved: readonly FoundContainer[];
}): number {
  const { maps, hierarchy, states, saved } = options;
  const known = new Map(readContainers(maps).map((container) => [container.cgroupId, container.path]));
  const cgroups = new Map<string, { readonly id: bigint; readonly isDelegated: boolean }>();
  const containers = new Set<string>();
  const found: FoundContainer[] = [];
  const add = (path: string): void => {
    const cgroup = cgroups.get(path);
    if (cgroup === undefined || cgroup.isDelegated || isInside(containers, path)) return;
    containers.add(path);
    if (!known.has(cgroup.id)) found.push({ cgroupId: cgroup.id, path });
  };

  // Parents come before their children, so the outermost is found first.
  for (const { path, id, isDelegated } of cgroupsOf(hierarchy)) {
    cgroups.set(path, { id, isDelegated });
    if (known.has(id) || recognizeCgroup(path) !== undefined) add(path);
  }
  for (const state of states.all()) add(state.cgroupPath);
  for (const container of saved) if (cgroups.get(container.path)?.id === container.cgroupId) add(container.path);

  // First what makes room. A container of the hooks that was made after this began is not in `known` and stays.
  const here = new Set([...cgroups.values()].map(({ id }) => id));
  for (const cgroupId of known.keys()) if (!here.has(cgroupId)) deleteContainer(maps, cgroupId);
  const full = found.findIndex((container) => !isWritten(maps, container));
  return full < 0 ? 0 : found.length - full;
}

/** Whether there was room. */
function isWritten(maps: ContainerMaps, container: FoundContainer): boolean {
  try {
    writeContainer(maps, container);
    return true;
  } catch (error) {
    if (error instanceof KernelError && error.errno === mapIsFull) return false;
    throw error;
  }
}

/** Whether one of `containers` is `path` or above it. */
function isInside(containers: ReadonlySet<string>, path: string): boolean {
  for (let end = path.length; end > 0; end = path.lastIndexOf('/', end - 1)) {
    if (containers.has(path.slice(0, end))) return true;
  }
  return false;
}
