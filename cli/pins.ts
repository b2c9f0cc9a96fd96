import { existsSync, readdirSync, statfsSync } from 'node:fs';
import { readdir, rm, rmdir } from 'node:fs/promises';
import path from 'node:path';

/** BPF_FS_MAGIC, include/uapi/linux/magic.h. */
const bpfFileSystemMagic = 0xcafe4a11;

/** What native/monitor.cc pins beside one folder a session. A test of the monitor holds that nothing is missing here. */
const pinnedMaps: ReadonlySet<string> = new Set([
  'belongings',
  'container_layouts',
  'container_paths',
  'containers',
  'hierarchy',
  'hierarchy',
  'registered',
  'runtime_names',
  'runtimes',
]);
const sessionFolder = /^session-\d+$/u;

/** Whether `folder`, which exists, is on a BPF file system. */
export function isOnBpfFileSystem(folder: string): boolean {
  return statfsSync(folder).type === bpfFileSystemMagic;
}

/** Names of what Palisade has pinned in a pin directory. Empty where that is no folder of a BPF file system. */
export function findPins(pinDirectory: string): readonly string[] {
  if (!existsSync(pinDirectory) || !isOnBpfFileSystem(pinDirectory)) return [];
  return readdirSync(pinDirectory).filter((name) => pinnedMaps.has(name) || sessionFolder.test(name));
}

/**
 * Removes Palisade's pins, and their folder where nothing else is in it: whoever gives another program's folder by mistake
 * loses nothing. Resolves to whether the folder is gone.
 */
export async function removePins(pinDirectory: string): Promise<boolean> {
  for (const name of findPins(pinDirectory)) await rm(path.join(pinDirectory, name), { recursive: true });
  if ((await readdir(pinDirectory)).length > 0) return false;
  await rmdir(pinDirectory);
  return true;
}
