import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import process from 'node:process';

/**
 * A folder of the user's cache, outside the clone, with what `fetch` puts into the folder that it is given: only the first run
 * does. Throws what `fetch` throws.
 */
export function cachedFolder(name: string, fetch: (folder: string) => void): string {
  const cache = path.join(process.env['XDG_CACHE_HOME'] ?? path.join(homedir(), '.cache'), 'palisade');
  const folder = path.join(cache, name);
  if (existsSync(folder)) return folder;
  mkdirSync(cache, { recursive: true });
  // Fetched aside and renamed when complete: a run that is killed leaves no half of it.
  const aside = mkdtempSync(`${folder}-`);
  try {
    fetch(aside);
    if (!existsSync(folder)) renameSync(aside, folder);
  } finally {
    rmSync(aside, { recursive: true, force: true });
  }
  return folder;
}

/** Runs a program that fetches or unpacks. Throws where it fails, with what it said. */
export function runToFetch(program: string, args: readonly string[]): void {
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')} failed: ${error?.message ?? stdout + stderr}`);
}
