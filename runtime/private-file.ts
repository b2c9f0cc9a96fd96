import { open, type FileHandle } from 'node:fs/promises';

/**
 * Begins a file anew for writing, for its owner alone also where one was there that more could read. Throws the system's error.
 * What is no file (a pipe, a terminal) is opened as it is.
 */
export async function beginPrivateFile(file: string): Promise<FileHandle> {
  const handle = await open(file, 'w', 0o600);
  try {
    if ((await handle.stat()).isFile()) await handle.chmod(0o600);
    return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
}
