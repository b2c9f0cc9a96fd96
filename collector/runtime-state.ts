import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { CgroupHierarchy } from './cgroup-hierarchy.ts';
import { isAboutFile, member, readJsonFile, stringMember } from './json-file.ts';

/** What a runtime has written down of a container that it runs. */
export interface RuntimeState {
  readonly containerId: string;
  readonly runtime: string;
  /** Of its init, in the initial pid namespace. */
  readonly initPid: number | undefined;
  /** Its cgroup in the deciding hierarchy. */
  readonly cgroupPath: string;
  readonly bundle: string | undefined;
  /** Of an engine: containerd's namespace. */
  readonly namespace: string | undefined;
}

/** Containers of one runtime looked at; a node has some hundreds. */
const containersMax = 4096;

/** Where state files are: a directory of containers, and what runs them. `*` stands for each of a directory's entries. */
interface StateDirectory {
  readonly pattern: string;
  readonly runtime: string;
  readonly read: (
    directory: string,
    hierarchy: CgroupHierarchy,
  ) => Omit<RuntimeState, 'runtime' | 'namespace'> | undefined;
}

/**
 * Sources: opencontainers/runc libcontainer/factory_linux.go and container_linux.go (State, json `cgroup_paths`,
 * `init_process_pid`); containers/crun src/libcrun/status.c (`cgroup-path`, `pid`, `bundle`); moby/moby daemon
 * (runtime-runc/moby as containerd's runtime root); containerd/containerd core/runtime/v2/README.md.
 */
const stateDirectories: readonly StateDirectory[] = [
  { pattern: '/run/docker/runtime-runc/moby', runtime: 'docker', read: readRunc },
  { pattern: '/run/containerd/runc/*', runtime: 'containerd', read: readRunc },
  { pattern: '/run/runc', runtime: 'runc', read: readRunc },
  { pattern: '/run/crun', runtime: 'crun', read: readCrun },
];

/** Reads what runtimes have written down; directories are searched each time, for they come and go. */
export class RuntimeStates {
  readonly #hierarchy: CgroupHierarchy;
  readonly #root: string;

  /** `root` is put before the path of every state directory. */
  constructor(hierarchy: CgroupHierarchy, root = '') {
    this.#hierarchy = hierarchy;
    this.#root = root;
  }

  /** The state of the container with this cgroup; a guess at its id is looked at first, then all. */
  find(cgroupPath: string, likelyId: string): RuntimeState | undefined {
    for (const [directory, entry] of this.#directories()) {
      const state = this.#read(directory, likelyId, entry);
      if (state?.cgroupPath === cgroupPath) return state;
    }
    for (const state of this.all()) if (state.cgroupPath === cgroupPath) return state;
    return undefined;
  }

  /** Every container that a runtime has written down. */
  *all(): Generator<RuntimeState> {
    for (const [directory, entry] of this.#directories()) {
      for (const id of namesIn(directory).slice(0, containersMax)) {
        const state = this.#read(directory, id, entry);
        if (state !== undefined) yield state;
      }
    }
  }

  *#directories(): Generator<readonly [directory: string, entry: StateDirectory]> {
    for (const entry of stateDirectories) {
      const pattern = this.#root + entry.pattern;
      if (!pattern.endsWith('/*')) {
        yield [pattern, entry];
        continue;
      }
      const parent = pattern.slice(0, -2);
      for (const name of namesIn(parent)) yield [join(parent, name), entry];
    }
  }

  #read(directory: string, id: string, entry: StateDirectory): RuntimeState | undefined {
    // What the kernel calls a cgroup may be no name of a file here.
    if (id === '' || id.includes('/') || id === '.' || id === '..') return undefined;
    const state = entry.read(join(directory, id), this.#hierarchy);
    if (state === undefined) return undefined;
    const namespace = entry.pattern.endsWith('/*') ? basename(directory) : undefined;
    return { ...state, runtime: entry.runtime, namespace };
  }
}

function readRunc(directory: string, hierarchy: CgroupHierarchy): ReturnType<StateDirectory['read']> {
  const state = readJsonFile(join(directory, 'state.json'));
  const containerId = stringMember(state, 'id');
  // runc has the unified hierarchy's directory under the name of no controller.
  const path = stringMember(state, 'cgroup_paths', hierarchy.deciding === 'v2' ? '' : hierarchy.deciding);
  if (containerId === undefined || path?.startsWith(`${hierarchy.mountPoint}/`) !== true) return undefined;
  const cgroupPath = path.slice(hierarchy.mountPoint.length);
  const initPid = member(state, 'init_process_pid');
  const labels = member(state, 'config', 'labels');
  const bundle = (Array.isArray(labels) ? labels : [])
    .filter((label) => typeof label === 'string')
    .find((label) => label.startsWith('bundle='));
  return {
    containerId,
    initPid: typeof initPid === 'number' && initPid > 0 ? initPid : undefined,
    cgroupPath,
    bundle: bundle?.slice('bundle='.length),
  };
}

function readCrun(directory: string): ReturnType<StateDirectory['read']> {
  const state = readJsonFile(join(directory, 'status'));
  const path = stringMember(state, 'cgroup-path');
  const pid = member(state, 'pid');
  if (path === undefined || path === '') return undefined;
  return {
    containerId: basename(directory),
    initPid: typeof pid === 'number' && pid > 0 ? pid : undefined,
    cgroupPath: path.startsWith('/') ? path : `/${path}`,
    bundle: stringMember(state, 'bundle'),
  };
}

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (isAboutFile(error)) return [];
    throw error;
  }
}
