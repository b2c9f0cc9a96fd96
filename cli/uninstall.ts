import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, rm, rmdir } from 'node:fs/promises';
import path from 'node:path';
import readline from 'node:readline/promises';
import { promisify } from 'node:util';
import { ownerOf } from '../eventlog/ownership.ts';
import { printable } from '../runtime/printable.ts';
import type { Config } from './config.ts';
import { dataLayout, type DataLayout } from './data-directory.ts';
import { exitCodes, type ExitCode } from './exit-codes.ts';
import { madeInSystem, recordingPins, type MadeThing } from './made-in-system.ts';
import { removeEngineFolder } from './engine-folder.ts';
import { removePins } from './pins.ts';

const run = promisify(execFile);

export interface UninstallOptions {
  /** Remove without asking. */
  readonly yes: boolean;
  readonly write: (text: string) => void;
}

/** Removes what Palisade made in the system, after it has been named and confirmed. The clone itself stays. */
export async function uninstall(config: Config, options: UninstallOptions): Promise<ExitCode> {
  const owner = ownerOf(dataLayout(config.dataDirectory).log);
  if (owner !== undefined) {
    options.write(`Palisade is running (pid ${owner}). Stop it first.\n`);
    return exitCodes.busy;
  }
  const there = removableThings(madeInSystem(config), process.getuid?.() === 0);
  if (there.length === 0) {
    options.write('Palisade has made nothing in this system, or it is removed already.\n');
    return exitCodes.done;
  }
  options.write('This removes:\n');
  for (const { name, detail } of there) options.write(`  ${name}  (${detail})\n`);
  if (!options.yes && !(await confirmed())) {
    options.write('Nothing was removed.\n');
    return exitCodes.failed;
  }
  const left = [];
  for (const thing of there) left.push(...(await remove(thing, config)));
  for (const { detail } of left) options.write(`  ${detail}\n`);
  options.write('Removed. What is left is this folder, and the packages that set-up installed with apt.\n');
  return left.some(({ ours }) => ours) ? exitCodes.failed : exitCodes.done;
}

/** Something that stays: a folder in which others have files, or, `ours`, what could not be removed. */
interface Left {
  readonly detail: string;
  readonly ours: boolean;
}

/** What is there and this user's to remove: without root nothing was made in the system's own places. */
export function removableThings(made: readonly MadeThing[], isRoot: boolean): readonly MadeThing[] {
  return made.filter((thing) => thing.exists && (isRoot || thing.kind === 'data'));
}

async function confirmed(): Promise<boolean> {
  const terminal = readline.createInterface({ input: process.stdin, output: process.stderr });
  try {
    return (
      (await terminal.question('Remove it, with all recorded events and alerts? [y/N] ')).trim().toLowerCase() === 'y'
    );
  } finally {
    terminal.close();
  }
}

async function remove(thing: MadeThing, config: Config): Promise<readonly Left[]> {
  switch (thing.kind) {
    case 'pins':
      return removeBothPins(config);
    case 'data':
      return (await removeData(dataLayout(config.dataDirectory)))
        ? []
        : [{ detail: `${thing.name} holds other files and stays.`, ours: false }];
    case 'user':
      return removeUser(thing.name);
  }
}

async function removeBothPins(config: Config): Promise<readonly Left[]> {
  const left: Left[] = [];
  for (const folder of [config.pinDirectory, recordingPins(config)]) {
    if (!existsSync(folder) || (await removePins(folder))) continue;
    left.push({ detail: `${folder} holds other pins and stays.`, ours: false });
  }
  return left;
}

async function removeUser(name: string): Promise<readonly Left[]> {
  try {
    await run('userdel', [name]);
    return [];
  } catch (error) {
    // userdel's own words: most often that a process of this user still runs, on another data directory.
    const said = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : String(error);
    return [{ detail: `The user ${name} could not be removed: ${printable(said)}`, ours: true }];
  }
}

/**
 * Removes from a data directory what is Palisade's by name, and the directory where nothing else is in it: it may be one that
 * a person gave. Resolves to whether the directory is gone.
 */
export async function removeData(layout: DataLayout): Promise<boolean> {
  await removeEngineFolder(layout.engine);
  const replays = await readdir(layout.replays).catch(() => []);
  for (const name of replays) await removeEngineFolder(dataLayout(path.join(layout.replays, name)).engine);
  const files = [
    layout.log,
    layout.engineAddress,
    layout.collector,
    layout.replays,
    layout.recording,
    layout.nodeId,
    layout.version,
  ];
  for (const file of files) await rm(file, { recursive: true, force: true });
  if ((await readdir(layout.root)).length > 0) return false;
  await rmdir(layout.root);
  return true;
}
