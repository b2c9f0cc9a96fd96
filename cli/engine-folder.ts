import { execFile } from 'node:child_process';
import { lstat, rm } from 'node:fs/promises';
import process from 'node:process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/**
 * Removes an engine's folder, where it is there. It belongs to a user that is trusted with nothing else, and root that walks
 * down such a folder can be led out of it, by a link that is put in a folder's place at the right moment: so what is in it is
 * removed with that user's own rights.
 */
export async function removeEngineFolder(folder: string): Promise<void> {
  const { uid, gid } = (await lstat(folder).catch(() => undefined)) ?? {};
  if (uid !== undefined && gid !== undefined && uid !== process.getuid?.()) {
    await run('find', ['.', '-mindepth', '1', '-delete'], { uid, gid, cwd: folder });
  }
  await rm(folder, { recursive: true, force: true });
}
