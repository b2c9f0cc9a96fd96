import { readdirSync } from 'node:fs';
import path from 'node:path';
import { packageRoot } from '../../cli/package-root.ts';
import { fuzzTargets } from './targets.ts';

/** Inputs that broke something once, each named after its target. */
export const crashFolder = path.join(packageRoot(), 'test/fuzz/crashes');

/** The target that a crash file is for. */
export function targetOfCrash(file: string): string | undefined {
  return fuzzTargets.map(({ name }) => name).find((name) => file.startsWith(`${name}-`));
}

/** Crash files of targets that run in this process, or of the others, sorted. */
export function crashFiles(isGuided: boolean): readonly string[] {
  const names = fuzzTargets.filter((kind) => kind.isGuided === isGuided).map(({ name }) => name);
  return readdirSync(crashFolder)
    .filter((file) => names.includes(targetOfCrash(file) ?? ''))
    .sort();
}
