import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ActContext, OperationCase, Performed } from './operation-case.ts';

/** A directory `real` with a file and a directory, and a link to it. */
function prepare(directory: string): void {
  mkdirSync(join(directory, 'real/empty'), { recursive: true });
  writeFileSync(join(directory, 'real/file'), '');
  symlinkSync('real', join(directory, 'link'));
}

/** Names a call of test/programs/names.c: `HERE` in its arguments is the act's directory. */
function names(
  args: readonly string[],
  expected: Performed['expected'],
  cwd = 'HERE/link',
): (context: ActContext) => Performed {
  return ({ directory, run }) => {
    prepare(directory);
    const here = (text: string): string => text.replace('HERE', directory);
    const { hostPid } = run('names', args.map(here), { cwd: here(cwd) });
    return {
      hostPid,
      expected: Object.fromEntries(Object.entries(expected).map(([part, path]) => [part, here(path)])),
    };
  };
}

const oneName = 'by one name, in the working directory, the root or the directory of a descriptor';
const manyNames = 'by several names, of which any but the last may be a link';
const noDirectory = 'relative to a descriptor that is not open: it fails';

const openCases: readonly OperationCase[] = [
  {
    operation: 'open',
    when: 'it succeeds',
    names: 'the file that was opened',
    sources: { path: 'object' },
    acts: Object.fromEntries(
      ['open', 'openat', 'openat2', 'creat'].map((call) => [
        call,
        ({ directory, run }: ActContext): Performed => {
          prepare(directory);
          const typed = join(directory, 'link/file');
          return { ...run('open', [call, typed]), expected: { path: join(directory, 'real/file') } };
        },
      ]),
    ),
  },
  {
    operation: 'open',
    when: 'it fails',
    names: 'the directory and what was typed',
    sources: { path: 'baseAndText' },
    acts: Object.fromEntries(
      ['open', 'openat', 'openat2', 'creat'].map((call) => [
        call,
        ({ directory, run }: ActContext): Performed => {
          const typed = 'missing/file';
          return { ...run('open', [call, typed], { cwd: directory }), expected: { path: join(directory, typed) } };
        },
      ]),
    ),
  },
  {
    operation: 'open',
    when: 'it fails with RESOLVE_IN_ROOT',
    names: 'what was typed',
    sources: { path: 'text' },
    acts: {
      openat2: ({ directory, run }) => ({
        ...run('open', ['in-root', '/missing'], { cwd: directory }),
        expected: { path: '/missing' },
      }),
    },
  },
];

const removeCases: readonly OperationCase[] = [
  {
    operation: 'unlink',
    when: oneName,
    names: 'the directory and the name that was in it',
    sources: { path: 'directoryAndName' },
    acts: {
      unlink: names(['unlink', 'file'], { path: 'HERE/real/file' }),
      unlinkat: names(['unlinkat', 'HERE/link', 'file', '0'], { path: 'HERE/real/file' }, '/usr'),
    },
  },
  {
    operation: 'unlink',
    when: manyNames,
    names: 'the directory and what was typed',
    sources: { path: 'baseAndText' },
    acts: {
      unlink: names(['unlink', 'HERE/link/./file'], { path: 'HERE/link/file' }),
      unlinkat: names(['unlinkat', 'HERE', 'link/file', '0'], { path: 'HERE/link/file' }),
    },
  },
  {
    operation: 'unlink',
    when: noDirectory,
    names: 'what was typed',
    sources: { path: 'text' },
    acts: { unlinkat: names(['unlinkat', 'none', 'file', '0'], { path: 'file' }) },
  },
  {
    operation: 'rmdir',
    when: oneName,
    names: 'the directory and the name that was in it',
    sources: { path: 'directoryAndName' },
    acts: {
      rmdir: names(['rmdir', 'empty/'], { path: 'HERE/real/empty' }),
      'unlinkat with AT_REMOVEDIR': names(
        ['unlinkat', 'HERE/link', 'empty', '0x200'],
        { path: 'HERE/real/empty' },
        '/usr',
      ),
    },
  },
  {
    operation: 'rmdir',
    when: manyNames,
    names: 'the directory and what was typed',
    sources: { path: 'baseAndText' },
    acts: {
      rmdir: names(['rmdir', '../link/empty'], { path: 'HERE/link/empty' }),
      'unlinkat with AT_REMOVEDIR': names(['unlinkat', 'HERE', 'link/empty', '0x200'], { path: 'HERE/link/empty' }),
    },
  },
  {
    operation: 'rmdir',
    when: noDirectory,
    names: 'what was typed',
    sources: { path: 'text' },
    acts: {
      'unlinkat with AT_REMOVEDIR': names(['unlinkat', 'none', 'empty', '0x200'], { path: 'empty' }),
    },
  },
];

const renameCases: readonly OperationCase[] = [
  {
    operation: 'rename',
    when: `each of both names ${oneName}`,
    names: 'the directory and the name in it, twice',
    sources: { 'old path': 'directoryAndName', 'new path': 'directoryAndName' },
    acts: {
      rename: names(['rename', 'file', 'new'], { 'old path': 'HERE/real/file', 'new path': 'HERE/real/new' }),
      renameat: names(
        ['renameat', 'HERE/link', 'file', 'HERE/link/empty', 'new'],
        { 'old path': 'HERE/real/file', 'new path': 'HERE/real/empty/new' },
        '/usr',
      ),
      renameat2: names(['renameat2', 'cwd', 'file', 'cwd', 'empty', '2'], {
        'old path': 'HERE/real/file',
        'new path': 'HERE/real/empty',
      }),
    },
  },
  {
    operation: 'rename',
    when: `one of them ${manyNames}`,
    names: 'of that one the directory and what was typed',
    sources: { 'old path': 'directoryAndName', 'new path': 'baseAndText' },
    acts: {
      rename: names(['rename', 'file', 'HERE/link/new'], {
        'old path': 'HERE/real/file',
        'new path': 'HERE/link/new',
      }),
      renameat: names(['renameat', 'HERE/link', 'file', 'HERE', 'link/new'], {
        'old path': 'HERE/real/file',
        'new path': 'HERE/link/new',
      }),
      renameat2: names(['renameat2', 'cwd', 'file', 'HERE', 'link/empty', '2'], {
        'old path': 'HERE/real/file',
        'new path': 'HERE/link/empty',
      }),
    },
  },
  {
    operation: 'rename',
    when: `one of them ${noDirectory}`,
    names: 'of that one what was typed',
    sources: { 'old path': 'text', 'new path': 'directoryAndName' },
    acts: {
      renameat: names(['renameat', 'none', 'file', 'cwd', 'new'], { 'old path': 'file', 'new path': 'HERE/real/new' }),
      renameat2: names(['renameat2', 'none', 'file', 'cwd', 'new', '0'], {
        'old path': 'file',
        'new path': 'HERE/real/new',
      }),
    },
  },
];

/** open, unlink, rmdir, rename. */
export const fileCases: readonly OperationCase[] = [...openCases, ...removeCases, ...renameCases];
