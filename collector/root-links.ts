import { constants } from 'node:fs';
import { open, readdir, readlink, type FileHandle } from 'node:fs/promises';
import type { RootLink } from '../schemas/generated.ts';
import { isAboutFile } from './json-file.ts';

/** Entries of a root directory looked at: a usual one has some 25. */
const entriesMax = 512;
/** Symbolic links followed through one another, as the kernel does (MAXSYMLINKS, include/linux/namei.h). */
const followedMax = 40;
/** What stands deeper than the first level and is a link on usual systems: Filesystem Hierarchy Standard 3.0, chapter 5. */
const inVar = ['run', 'lock'];

/**
 * Symbolic links of the first level of the root at `directory`, and /var/run and /var/lock, with where they lead within that
 * root; `undefined` where it cannot be read. Nothing is followed: `directory` is opened, names are read in what was opened, so a
 * container that exchanges its own directories meanwhile leads nobody out of it.
 */
export async function readRootLinks(directory: string): Promise<readonly RootLink[] | undefined> {
  try {
    await using root = await openDirectory(directory);
    const links = new Map<string, string>();
    const entries = await readdir(Buffer.from(inside(root)), { withFileTypes: true, encoding: 'buffer' });
    for (const entry of entries.slice(0, entriesMax)) {
      const name = entry.name.toString('latin1');
      if (entry.isSymbolicLink()) await addLink(links, root, '', name);
    }
    if (!links.has('/var')) await addLinksInVar(links, root);
    return [...links.keys()].sort().flatMap((path) => {
      const target = resolveLink(links, path);
      return target === undefined ? [] : [{ path: Buffer.from(path, 'latin1'), target: Buffer.from(target, 'latin1') }];
    });
  } catch (error) {
    if (isAboutFile(error)) return undefined;
    throw error;
  }
}

/**
 * Where the link at `path` leads, absolute and clean; `..` does not lead out of the root. `undefined` where links lead in a
 * circle. Byte strings are latin1 here.
 */
export function resolveLink(links: ReadonlyMap<string, string>, path: string): string | undefined {
  let waiting = path.split('/').filter((component) => component !== '');
  let done: string[] = [];
  let followed = 0;
  for (let component = waiting.shift(); component !== undefined; component = waiting.shift()) {
    if (component === '.' || component === '') continue;
    if (component === '..') {
      done.pop();
      continue;
    }
    const target = links.get(`/${[...done, component].join('/')}`);
    if (target === undefined) {
      done.push(component);
      continue;
    }
    if (++followed > followedMax) return undefined;
    if (target.startsWith('/')) done = [];
    waiting = [...target.split('/'), ...waiting];
  }
  return `/${done.join('/')}`;
}

async function addLinksInVar(links: Map<string, string>, root: FileHandle): Promise<void> {
  try {
    await using directory = await openDirectory(`${inside(root)}/var`, constants.O_NOFOLLOW);
    for (const name of inVar) await addLink(links, directory, '/var', name);
  } catch (error) {
    // A root without /var.
    if (!isAboutFile(error)) throw error;
  }
}

async function addLink(links: Map<string, string>, directory: FileHandle, prefix: string, name: string): Promise<void> {
  try {
    const target = await readlink(Buffer.from(`${inside(directory)}/${name}`, 'latin1'), { encoding: 'buffer' });
    links.set(`${prefix}/${name}`, target.toString('latin1'));
  } catch (error) {
    // EINVAL: it is no symbolic link.
    if (!isAboutFile(error) && (error as NodeJS.ErrnoException).code !== 'EINVAL') throw error;
  }
}

function openDirectory(directory: string, flags = 0): Promise<FileHandle> {
  return open(directory, constants.O_RDONLY | constants.O_DIRECTORY | flags);
}

/** A name by which what is in an opened directory is reached, whatever becomes of the path by which it was opened. */
function inside(directory: FileHandle): string {
  return `/proc/self/fd/${directory.fd}`;
}
