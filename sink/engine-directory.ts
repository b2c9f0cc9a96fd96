import { lstatSync, readFileSync } from 'node:fs';
import { chmod, lchown, lstat, mkdir, readdir } from 'node:fs/promises';
import path from 'node:path';

/** A user of this system to run the engine as. */
export interface EngineUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/** Looks a user up in /etc/passwd; `undefined` where it isn't there. Set-up makes `palisade`. */
export function findUser(name: string): EngineUser | undefined {
  for (const line of readFileSync('/etc/passwd', 'utf8').split('\n')) {
    const [found, , uid, gid] = line.split(':');
    if (found === name && uid !== undefined && gid !== undefined) return { name, uid: Number(uid), gid: Number(gid) };
  }
  return undefined;
}

/**
 * Makes the engine's folder, and gives it with all that is in it to `user`. Only what still belongs to root is given away:
 * in a folder that the user owns already it could swap a path for a link while we walk. The folder itself comes last, so
 * nobody else can be inside meanwhile.
 */
export async function prepareEngineDirectory(directory: string, user: EngineUser | undefined): Promise<void> {
  // The mode is for the folder alone: those on the way to it must let the user pass.
  await mkdir(path.dirname(directory), { recursive: true });
  await mkdir(directory, { recursive: true, mode: 0o700 });
  if (user === undefined || (await lstat(directory)).uid !== 0) return;
  await chmod(directory, 0o700);
  for (const entry of await readdir(directory, { recursive: true }))
    await lchown(path.join(directory, entry), user.uid, user.gid);
  await lchown(directory, user.uid, user.gid);
}

/**
 * The pid of the process that has the engine's data open; `undefined` where none has. The engine holds an flock on its
 * file `status`, and the kernel tells whose it is (proc_locks(5)).
 */
export function engineLockHolder(directory: string): number | undefined {
  let status: { readonly dev: number; readonly ino: number };
  try {
    status = lstatSync(path.join(directory, 'status'));
  } catch {
    // No engine has been here.
    return undefined;
  }
  const { dev, ino } = status;
  // Linux numbers devices with 12 bits of major and 20 of minor; glibc's encoding keeps the low 8 of the minor lowest.
  const major = (dev >> 8) & 0xfff;
  const minor = (dev & 0xff) | ((dev >> 12) & 0xfff00);
  const hex = (number: number) => number.toString(16).padStart(2, '0');
  const place = `${hex(major)}:${hex(minor)}:${ino}`;
  for (const line of readFileSync('/proc/locks', 'utf8').split('\n')) {
    const [, kind, , , pid, file] = line.split(/\s+/u);
    if (kind === 'FLOCK' && file === place) return Number(pid);
  }
  return undefined;
}
