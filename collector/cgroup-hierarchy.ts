import { lstatSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { PalisadeError } from '../runtime/errors.ts';

/** The hierarchy of cgroups by which containers are told apart. Cgroup ids repeat across hierarchies: one decides. */
export interface CgroupHierarchy {
  readonly deciding: 'v2' | 'pids';
  /** For example `hybrid/pids`, as in HostDescriptor.cgroupLayout. */
  readonly layout: string;
  /** Where it is mounted. */
  readonly mountPoint: string;
}

/** A directory of the hierarchy. */
export interface Cgroup {
  /** From the hierarchy's root, beginning with `/`; bytes of names as latin1, so that none is lost. */
  readonly path: string;
  readonly id: bigint;
  /** Whether an unprivileged user may make or name cgroups beneath the one above it: then its name says nothing. */
  readonly isDelegated: boolean;
}

/** Directories looked at in one scan: a node has some hundreds. Beyond it the rest is not looked at. */
const cgroupsMax = 65_536;
/** As CGROUP_LEVELS in bpf/lib/container.bpf.h. */
export const cgroupLevels = 32;

/**
 * Chooses the hierarchy: v1's pids controller where it is bound to v1, since every runtime makes a cgroup there, else v2.
 * Throws `KERNEL_REFUSED` where it is not mounted.
 */
export function decidingHierarchy(
  cgroups = readFileSync('/proc/cgroups', 'utf8'),
  mountInfo = readFileSync('/proc/self/mountinfo', 'utf8'),
): CgroupHierarchy {
  const bound = cgroups
    .split('\n')
    .map((line) => line.split('\t'))
    .filter(([name, hierarchy]) => name?.startsWith('#') === false && Number(hierarchy) > 0);
  const isV1 = bound.some(([name]) => name === 'pids');
  // mountinfo: id parent major:minor root mountpoint options … - fstype source superoptions
  const mounts = mountInfo.split('\n').flatMap((line) => {
    const [own = '', other = ''] = line.split(' - ');
    const [, , , root, mountPoint] = own.split(' ');
    const [type, , options = ''] = other.split(' ');
    return root === '/' && mountPoint !== undefined ? [{ mountPoint: unescape(mountPoint), type, options }] : [];
  });
  const v2 = mounts.find((mount) => mount.type === 'cgroup2');
  const pids = mounts.find((mount) => mount.type === 'cgroup' && mount.options.split(',').includes('pids'));
  const chosen = isV1 ? pids : v2;
  const deciding = isV1 ? 'pids' : 'v2';
  if (chosen === undefined) {
    throw new PalisadeError(
      'KERNEL_REFUSED',
      `Containers are told apart by the cgroup hierarchy ${deciding}, which is not mounted whole in this mount namespace. ` +
        (isV1
          ? 'Mount it: mount -t cgroup -o pids cgroup /sys/fs/cgroup/pids'
          : 'Mount it: mount -t cgroup2 cgroup2 /sys/fs/cgroup'),
    );
  }
  const layout = bound.length === 0 ? 'v2' : v2 === undefined ? 'v1' : 'hybrid';
  return { deciding, layout: `${layout}/${deciding}`, mountPoint: chosen.mountPoint };
}

/** Every cgroup of the hierarchy except the root, parents before children. What vanishes meanwhile is left out. */
export function* cgroupsOf(hierarchy: CgroupHierarchy): Generator<Cgroup> {
  const waiting: { readonly path: string; readonly level: number; readonly delegated: boolean }[] = [
    { path: '', level: 0, delegated: isDelegated(hierarchy.mountPoint) },
  ];
  let seen = 0;
  // Grows while it is walked.
  for (const directory of waiting) {
    if (directory.level >= cgroupLevels) continue;
    for (const name of namesIn(hierarchy.mountPoint + directory.path)) {
      if (++seen > cgroupsMax) return;
      const path = `${directory.path}/${name}`;
      const file = Buffer.from(hierarchy.mountPoint + path, 'latin1');
      const status = lstatSync(file, { bigint: true, throwIfNoEntry: false });
      if (status?.isDirectory() !== true) continue;
      const delegated = directory.delegated || mayWrite(Number(status.uid), Number(status.gid), Number(status.mode));
      waiting.push({ path, level: directory.level + 1, delegated });
      yield { path, id: status.ino, isDelegated: directory.delegated };
    }
  }
}

/** Id of the cgroup at `path` of the hierarchy; `undefined` where there is none. */
export function cgroupIdAt(hierarchy: CgroupHierarchy, path: string): bigint | undefined {
  const file = Buffer.from(hierarchy.mountPoint + path, 'latin1');
  return statSync(file, { bigint: true, throwIfNoEntry: false })?.ino;
}

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(Buffer.from(directory, 'latin1'), { encoding: 'buffer', withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name.toString('latin1'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []; // Removed meanwhile.
    throw error;
  }
}

function isDelegated(directory: string): boolean {
  const status = statSync(directory);
  return mayWrite(status.uid, status.gid, status.mode);
}

function mayWrite(uid: number, gid: number, mode: number): boolean {
  return uid !== 0 || (mode & 0o002) !== 0 || ((mode & 0o020) !== 0 && gid !== 0);
}

/** mountinfo writes space, tab, newline and backslash as octal (fs/proc_namespace.c, mangle). */
function unescape(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
