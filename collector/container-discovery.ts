import { statSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import type { ContainerDescriptor, RootLink } from '../schemas/generated.ts';
import type { CgroupHierarchy } from './cgroup-hierarchy.ts';
import { lastComponent, recognizeCgroup } from './container-id.ts';
import { readContainer, type ContainerMaps } from './container-maps.ts';
import { readMetadata } from './container-metadata.ts';
import { readRootLinks } from './root-links.ts';
import type { RuntimeState, RuntimeStates } from './runtime-state.ts';

export interface ContainerDiscoveryOptions {
  readonly maps: ContainerMaps;
  readonly hierarchy: CgroupHierarchy;
  readonly states: RuntimeStates;
  /** Milliseconds, steady. */
  readonly now: () => number;
}

/** When more may be known of a container than at its first event, milliseconds after that. Then what is not known stays so. */
const looksAfterMs = [30, 150, 600, 2500, 10_000];
/** Containers remembered: twice what the kernel's map holds. The longest unseen goes first. */
const knownMax = 8192;
/** A root on a file system of a container's own making may never answer. So many readers may wait; then no more are begun. */
const readersMax = 2;
/** KubeArmor's label for containers without Kubernetes (KubeArmor/core/unorchestratedUpdates.go). */
const nameLabel = 'kubearmor.io/container.name';
/** Runtimes that are started by hand: their containers have no name but the id. */
const plainRuntimes: ReadonlySet<string> = new Set(['runc', 'crun', 'unknown']);

interface Known {
  descriptor: ContainerDescriptor;
  /** A process of it, where the runtime names no init. */
  readonly hostPid: number;
  readonly firstSeenMs: number;
  looks: number;
  rootLinks: readonly RootLink[] | undefined;
}

/** What this node knows of the containers whose events it sends, in versions. */
export class ContainerDiscovery {
  readonly #options: ContainerDiscoveryOptions;
  readonly #known = new Map<bigint, Known>();
  /** Those of which more may become known. */
  readonly #waiting = new Set<Known>();
  readonly #hostRoot = statSync('/');
  #readers = 0;

  constructor(options: ContainerDiscoveryOptions) {
    this.#options = options;
  }

  /** The first version of a container's descriptor, for the batch of its first event; `undefined` where that was told before. */
  describe(cgroupId: bigint, hostPid: number): ContainerDescriptor | undefined {
    const seen = this.#known.get(cgroupId);
    if (seen !== undefined) {
      this.#known.delete(cgroupId);
      this.#known.set(cgroupId, seen);
      return undefined;
    }
    const known: Known = {
      descriptor: this.#look(cgroupId, 1, undefined),
      hostPid,
      firstSeenMs: this.#options.now(),
      looks: 0,
      rootLinks: undefined,
    };
    this.#known.set(cgroupId, known);
    this.#waiting.add(known);
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= knownMax) break;
      this.#known.delete(oldest);
    }
    return known.descriptor;
  }

  /** Later versions of descriptors, of which more is known by now. To be called often: it looks when it is time. */
  later(): readonly ContainerDescriptor[] {
    const nowMs = this.#options.now();
    const later: ContainerDescriptor[] = [];
    for (const known of this.#waiting) {
      const waitMs = looksAfterMs[known.looks];
      if (waitMs === undefined) this.#waiting.delete(known);
      if (waitMs === undefined || nowMs - known.firstSeenMs < waitMs) continue;
      known.looks += 1;
      const { cgroupId, version } = known.descriptor;
      const next = this.#look(cgroupId, version + 1, known);
      if (says(next) !== says(known.descriptor)) {
        known.descriptor = next;
        later.push(next);
      }
      if (known.rootLinks === undefined) this.#readRootLinks(known);
    }
    return later;
  }

  #look(cgroupId: bigint, version: number, known: Known | undefined): ContainerDescriptor {
    const { maps, states } = this.#options;
    const before = known?.descriptor;
    const path = textOf(before?.cgroupPath) ?? readContainer(maps, cgroupId)?.path ?? '';
    const recognized = recognizeCgroup(path);
    const guess = recognized?.containerId ?? lastComponent(path);
    const state = path === '' ? undefined : states.find(path, guess);
    // What a state file said once stays said, when the container and the file are gone.
    const keeps = state === undefined && before?.idSource === 'runtimeState';
    const containerId = keeps ? before.containerId : (state?.containerId ?? guess);
    const runtime = keeps ? before.runtime : runtimeOf(state, recognized?.layout.runtime);
    const metadata = readMetadata({ containerId, runtime, bundle: state?.bundle, namespace: state?.namespace });
    const ownName = plainRuntimes.has(runtime) && containerId !== '' ? containerId : undefined;
    const name = metadata.name ?? before?.name ?? ownName;
    const isRead = Object.keys(metadata.labels).length > 0;
    return {
      cgroupId,
      version,
      kind: 'container',
      containerId,
      idSource: keeps || state !== undefined ? 'runtimeState' : recognized !== undefined ? 'layout' : 'cgroupPath',
      runtime,
      cgroupPath: Buffer.from(path, 'latin1'),
      name: name ?? null,
      image: metadata.image ?? before?.image ?? null,
      labels: {
        ...(isRead ? metadata.labels : before?.labels),
        ...(name === undefined ? {} : { [nameLabel]: name }),
      },
      rootLinks: known?.rootLinks ?? before?.rootLinks ?? null,
      host: null,
    };
  }

  /** Begins to read the container's root; what it finds is in a later version. */
  #readRootLinks(known: Known): void {
    if (this.#readers >= readersMax) return;
    const path = textOf(known.descriptor.cgroupPath) ?? '';
    const pid = this.#options.states.find(path, known.descriptor.containerId)?.initPid ?? known.hostPid;
    this.#readers += 1;
    const finish = (links: readonly RootLink[] | undefined): void => {
      known.rootLinks = links;
      this.#readers -= 1;
    };
    // A file system of the container's own may answer with any error: then its links stay unknown.
    void this.#rootLinksOf(pid, path).then(finish, () => {
      finish(undefined);
    });
  }

  /** `undefined` where the process is none of the container's, or has not entered its root yet. */
  async #rootLinksOf(pid: number, cgroupPath: string): Promise<readonly RootLink[] | undefined> {
    const root = `/proc/${pid}/root`;
    const status = await stat(root);
    if (status.dev === this.#hostRoot.dev && status.ino === this.#hostRoot.ino) return undefined;
    const links = await readRootLinks(root);
    // The pid may be another process's by now.
    return (await this.#isIn(pid, cgroupPath)) ? links : undefined;
  }

  async #isIn(pid: number, cgroupPath: string): Promise<boolean> {
    const { deciding } = this.#options.hierarchy;
    // hierarchy:controllers:path, see cgroups(7); the unified one has no controllers.
    const lines = (await readFile(`/proc/${pid}/cgroup`, 'latin1'))
      .split('\n')
      .map((line) => /^\d+:([^:]*):(.*)$/.exec(line));
    const path = lines.find((line) =>
      deciding === 'v2' ? line?.[1] === '' : line?.[1]?.split(',').includes(deciding) === true,
    )?.[2];
    return path === cgroupPath || path?.startsWith(`${cgroupPath}/`) === true;
  }
}

function runtimeOf(state: RuntimeState | undefined, layout: string | undefined): string {
  // Kubernetes' layout does not say which runtime it is; containerd runs Docker's containers in a namespace of its own.
  if (layout !== undefined && layout !== 'kubernetes') return layout;
  return state?.runtime ?? layout ?? 'unknown';
}

function textOf(bytes: Uint8Array | undefined): string | undefined {
  return bytes === undefined ? undefined : Buffer.from(bytes).toString('latin1');
}

/** What a descriptor says beside its version. */
function says(descriptor: ContainerDescriptor): string {
  return JSON.stringify({ ...descriptor, version: 0 }, (_, value: unknown) =>
    typeof value === 'bigint' ? value.toString() : value,
  );
}
