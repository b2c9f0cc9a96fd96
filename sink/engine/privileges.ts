import { accessSync, constants, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { Confinement } from './protocol.ts';

/**
 * Gives up root for good: no supplementary groups, then the group, then the user. setuid(2) from 0 to another user sets
 * the real, effective and saved ids and clears every capability (capabilities(7)); libc does it in all threads. Must come
 * after everything has been imported: a clone under a 0700 home can't be read afterwards. Throws where it can't be done.
 */
export function becomeUser(user: { readonly uid: number; readonly gid: number }): void {
  if (process.setgroups === undefined || process.setgid === undefined || process.setuid === undefined)
    throw new Error('this system has no setuid');
  if (user.uid === 0 || user.gid === 0) throw new Error('the user to become is root');
  process.setgroups([]);
  process.setgid(user.gid);
  process.setuid(user.uid);
}

/** What a process may do, as the kernel tells it (proc_pid_status(5)); Landlock it tells only to who tries. */
export function privilegesOf(pid: number): Omit<Confinement, 'landlock'> {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const field = (name: string) => new RegExp(`^${name}:\\s+(.*)$`, 'mu').exec(status)?.[1] ?? '';
  return {
    uid: Number(field('Uid').split('\t')[1]),
    gid: Number(field('Gid').split('\t')[1]),
    capabilities: !/^0+$/u.test(field('CapPrm')) || !/^0+$/u.test(field('CapEff')),
    noNewPrivileges: field('NoNewPrivs') === '1',
  };
}

/** What holds of this process now. */
export function confinement(): Confinement {
  return { ...privilegesOf(process.pid), landlock: !canList('/') };
}

/** Everybody may list the root folder, unless Landlock says no: the kernel has no other way to ask. */
function canList(folder: string): boolean {
  try {
    readdirSync(folder);
    return true;
  } catch {
    return false;
  }
}

/** The outermost folder on the way to `directory` that this process may not pass; `undefined` where it may write there. */
export function firstInaccessible(directory: string): string | undefined {
  let folder = path.parse(directory).root;
  for (const part of path.relative(folder, directory).split(path.sep)) {
    folder = path.join(folder, part);
    const need = folder === directory ? constants.R_OK | constants.W_OK | constants.X_OK : constants.X_OK;
    try {
      accessSync(folder, need);
    } catch {
      // The answer itself: access(2) has no other way to say no.
      return folder;
    }
  }
  return undefined;
}
