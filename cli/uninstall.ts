import { execFile } from 'node:child_process';
import { readdir, rm, rmdir } from 'node:fs/promises';
import readline from 'node:readline/promises';
import { promisify } from 'node:util';
import { ownerOf } from '../eventlog/ownership.ts';
import type { Config } from './config.ts';
import { dataLayout, type DataLayout } from './data-directory.ts';
import { exitCodes, type ExitCode } from './exit-codes.ts';
import { madeInSystem, type MadeThing } from './made-in-system.ts';

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
  const there = madeInSystem(config).filter((thing) => thing.exists);
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
  for (const thing of there) await remove(thing, config, options);
  options.write('Removed. What is left is this folder, and the packages that set-up installed with apt.\n');
  return exitCodes.done;
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

async function remove(thing: MadeThing, config: Config, options: UninstallOptions): Promise<void> {
  switch (thing.kind) {
    case 'pins':
      await rm(config.pinDirectory, { recursive: true });
      return;
    case 'data':
      if (!(await removeData(dataLayout(config.dataDirectory))))
        options.write(`  ${config.dataDirectory} holds other files and stays.\n`);
      return;
    case 'user':
      await run('userdel', [thing.name]);
  }
}

/**
 * Removes from a data directory what is Palisade's by name, and the directory where nothing else is in it: it may be one that
 * a person gave. Resolves to whether the directory is gone.
 */
export async function removeData(layout: DataLayout): Promise<boolean> {
  for (const file of [layout.log, layout.engine, layout.engineAddress, layout.collector, layout.nodeId])
    await rm(file, { recursive: true, force: true });
  if ((await readdir(layout.root)).length > 0) return false;
  await rmdir(layout.root);
  return true;
}
