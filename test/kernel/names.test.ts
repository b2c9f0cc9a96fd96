import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { eventPathSource } from '../../collector/event-layout.ts';
import { openCapture, whyNoKernelTests } from '../support/kernel-capture.ts';
import type { KernelString } from '../support/kernel-event.ts';
import { testProgram } from '../support/programs.ts';
import { plainEvent, wholeOf, type WholeEvent } from '../support/whole-event.ts';

// unlink, rmdir and rename as the kernel's programs tell of them: every field of each event.

const reason = whyNoKernelTests();
const kernelTest = reason === undefined ? test.serial : test.serial.skip;
if (reason !== undefined) console.log(`skipped: ${reason}`);

/** A directory with a file, an empty and a full directory, and a link to the empty one. */
function directory(t: ExecutionContext): string {
  const made = realpathSync(mkdtempSync('/tmp/palisade-names-'));
  chmodSync(made, 0o755);
  t.teardown(() => {
    rmSync(made, { recursive: true });
  });
  writeFileSync(join(made, 'file'), '');
  mkdirSync(join(made, 'empty'));
  mkdirSync(join(made, 'full/inner'), { recursive: true });
  writeFileSync(join(made, 'full/inner/file'), '');
  symlinkSync('full', join(made, 'link'));
  return made;
}

const numbers = { unlink: 87n, unlinkat: 263n, rmdir: 84n, rename: 82n, renameat: 264n, renameat2: 316n } as const;
const atRemoveDirectory = 0x200n;
const baseAndText = BigInt(eventPathSource.baseAndText);

interface Case {
  readonly title: string;
  /** Of test/programs/names.c; `TOP` stands for the test's directory. */
  readonly args: readonly string[];
  /** Default: the test's directory. */
  readonly cwd?: string;
  readonly uid?: number;
  readonly result: bigint;
  readonly event: Partial<WholeEvent>;
  /** With TOP again. */
  readonly strings: Partial<Record<KernelString, string>>;
}

/** What is the same in every call by this name. */
function call(name: keyof typeof numbers, more: Partial<WholeEvent> = {}): Partial<WholeEvent> {
  const operation = name.startsWith('unlink') ? 'unlink' : name === 'rmdir' ? 'rmdir' : 'rename';
  return {
    operation,
    syscall: numbers[name],
    pathSource: baseAndText,
    ...(operation === 'rename' ? { secondSource: baseAndText } : {}),
    ...(name.includes('at') ? { fileDescriptor: -100n } : {}),
    ...more,
  };
}

const cases: readonly Case[] = [
  {
    title: 'unlink by a whole path',
    args: ['unlink', 'TOP/file'],
    result: 0n,
    event: call('unlink'),
    strings: { typedPath: 'TOP/file' },
  },
  {
    title: 'unlink by a name in the working directory',
    args: ['unlink', 'file'],
    result: 0n,
    event: call('unlink'),
    strings: { typedPath: 'file' },
  },
  {
    title: 'unlink in a directory that was entered through a link: the directory itself, and the name',
    args: ['unlink', 'file'],
    cwd: 'TOP/link/inner',
    result: 0n,
    event: call('unlink'),
    strings: { typedPath: 'file', cwd: 'TOP/full/inner' },
  },
  {
    title: 'unlink through a link in the text: the text',
    args: ['unlink', 'TOP/link/inner/file'],
    result: 0n,
    event: call('unlink'),
    strings: { typedPath: 'TOP/link/inner/file' },
  },
  {
    title: 'unlink with .. and repeated slashes in the text: the text',
    args: ['unlink', '..//TOPNAME/./file'],
    result: 0n,
    event: call('unlink'),
    strings: { typedPath: '..//TOPNAME/./file' },
  },
  {
    title: 'unlink of what is not there',
    args: ['unlink', 'missing'],
    result: -2n,
    event: call('unlink'),
    strings: { typedPath: 'missing' },
  },
  {
    title: 'unlink that is refused',
    args: ['unlink', 'file'],
    uid: 65534,
    result: -13n,
    event: call('unlink', { uid: 65534n, euid: 65534n, fsuid: 65534n }),
    strings: { typedPath: 'file' },
  },
  {
    title: 'unlink of a directory',
    args: ['unlink', 'empty'],
    result: -21n,
    event: call('unlink'),
    strings: { typedPath: 'empty' },
  },
  {
    title: 'unlink of a file whose name has a slash behind it',
    args: ['unlink', 'file/'],
    result: -20n,
    event: call('unlink'),
    strings: { typedPath: 'file/' },
  },
  { title: 'unlink of nothing', args: ['unlink', ''], result: -2n, event: call('unlink'), strings: {} },
  {
    title: 'unlink of an address where nothing is',
    args: ['unlink', 'unreadable'],
    result: -14n,
    event: call('unlink'),
    strings: {},
  },
  {
    title: 'unlink the 32-bit way is told under the number of its twin',
    args: ['compat-unlink', 'TOP/file'],
    result: 0n,
    event: call('unlink'),
    strings: { typedPath: 'TOP/file' },
  },
  {
    title: 'unlinkat in the working directory',
    args: ['unlinkat', 'cwd', 'file', '0'],
    result: 0n,
    event: call('unlinkat'),
    strings: { typedPath: 'file' },
  },
  {
    title: 'unlinkat in the directory of a descriptor: the directory itself, through whatever link it was opened',
    args: ['unlinkat', 'TOP/link/inner', 'file', '0'],
    cwd: '/usr',
    result: 0n,
    event: call('unlinkat', { fileDescriptor: 3n }),
    strings: { base: 'TOP/full/inner', typedPath: 'file' },
  },
  {
    title: 'unlinkat of a whole path needs no descriptor, and tells no base',
    args: ['unlinkat', 'none', 'TOP/file', '0'],
    result: 0n,
    event: call('unlinkat', { fileDescriptor: 999n }),
    strings: { typedPath: 'TOP/file' },
  },
  {
    title: 'unlinkat by a descriptor that is not open: the text alone',
    args: ['unlinkat', 'none', 'file', '0'],
    result: -9n,
    event: call('unlinkat', { fileDescriptor: 999n, pathSource: BigInt(eventPathSource.text) }),
    strings: { typedPath: 'file' },
  },
  {
    title: 'unlinkat with a flag that it does not know',
    args: ['unlinkat', 'cwd', 'file', '0x1000'],
    result: -22n,
    event: call('unlinkat', { flags: 0x1000n }),
    strings: { typedPath: 'file' },
  },
  {
    title: 'unlinkat with AT_REMOVEDIR is rmdir',
    args: ['unlinkat', 'TOP', 'empty', '0x200'],
    cwd: '/usr',
    result: 0n,
    event: call('unlinkat', { operation: 'rmdir', flags: atRemoveDirectory, fileDescriptor: 3n }),
    strings: { base: 'TOP', typedPath: 'empty' },
  },
  {
    title: 'unlinkat with AT_REMOVEDIR of a file',
    args: ['unlinkat', 'cwd', 'file', '0x200'],
    result: -20n,
    event: call('unlinkat', { operation: 'rmdir', flags: atRemoveDirectory }),
    strings: { typedPath: 'file' },
  },
  {
    title: 'unlinkat the 32-bit way',
    args: ['compat-unlinkat', 'TOP', 'empty', '0x200'],
    result: 0n,
    event: call('unlinkat', { operation: 'rmdir', flags: atRemoveDirectory, fileDescriptor: 3n }),
    strings: { base: 'TOP', typedPath: 'empty' },
  },
  {
    title: 'rmdir',
    args: ['rmdir', 'empty'],
    result: 0n,
    event: call('rmdir'),
    strings: { typedPath: 'empty' },
  },
  {
    title: 'rmdir of a name with a slash behind it',
    args: ['rmdir', 'empty//'],
    result: 0n,
    event: call('rmdir'),
    strings: { typedPath: 'empty//' },
  },
  {
    title: 'rmdir of the working directory: it keeps its path',
    args: ['rmdir', '../empty'],
    cwd: 'TOP/empty',
    result: 0n,
    event: call('rmdir'),
    strings: { typedPath: '../empty', cwd: 'TOP/empty' },
  },
  {
    title: 'rmdir of a directory that is not empty',
    args: ['rmdir', 'full'],
    result: -39n,
    event: call('rmdir'),
    strings: { typedPath: 'full' },
  },
  {
    title: 'rmdir of a link to a directory',
    args: ['rmdir', 'link/'],
    result: -20n,
    event: call('rmdir'),
    strings: { typedPath: 'link/' },
  },
  {
    title: 'rmdir of .',
    args: ['rmdir', '.'],
    result: -22n,
    event: call('rmdir'),
    strings: { typedPath: '.' },
  },
  {
    title: 'rmdir that is refused',
    args: ['rmdir', 'empty'],
    uid: 65534,
    result: -13n,
    event: call('rmdir', { uid: 65534n, euid: 65534n, fsuid: 65534n }),
    strings: { typedPath: 'empty' },
  },
  {
    title: 'rmdir the 32-bit way',
    args: ['compat-rmdir', 'empty'],
    result: 0n,
    event: call('rmdir'),
    strings: { typedPath: 'empty' },
  },
  {
    title: 'rename by names in the working directory',
    args: ['rename', 'file', 'new'],
    result: 0n,
    event: call('rename'),
    strings: { typedPath: 'file', newTypedPath: 'new' },
  },
  {
    title: 'rename by whole paths, onto what is there',
    args: ['rename', 'TOP/file', 'TOP/full/inner/file'],
    result: 0n,
    event: call('rename'),
    strings: { typedPath: 'TOP/file', newTypedPath: 'TOP/full/inner/file' },
  },
  {
    title: 'rename of a directory in which the process is: the path that it has afterwards',
    args: ['rename', '../full', '../new'],
    cwd: 'TOP/full',
    result: 0n,
    event: call('rename'),
    strings: { typedPath: '../full', newTypedPath: '../new', cwd: 'TOP/new' },
  },
  {
    title: 'rename of what is not there',
    args: ['rename', 'missing', 'new'],
    result: -2n,
    event: call('rename'),
    strings: { typedPath: 'missing', newTypedPath: 'new' },
  },
  {
    title: 'rename onto a directory that is not empty',
    args: ['rename', 'empty', 'full'],
    result: -39n,
    event: call('rename'),
    strings: { typedPath: 'empty', newTypedPath: 'full' },
  },
  {
    title: 'rename onto another file system',
    args: ['rename', 'file', '/proc/palisade'],
    result: -18n,
    event: call('rename'),
    strings: { typedPath: 'file', newTypedPath: '/proc/palisade' },
  },
  {
    title: 'rename that is refused',
    args: ['rename', 'file', 'new'],
    uid: 65534,
    result: -13n,
    event: call('rename', { uid: 65534n, euid: 65534n, fsuid: 65534n }),
    strings: { typedPath: 'file', newTypedPath: 'new' },
  },
  {
    title: 'rename whose new name cannot be read',
    args: ['rename', 'file', 'unreadable'],
    result: -14n,
    event: call('rename'),
    strings: { typedPath: 'file' },
  },
  {
    title: 'rename the 32-bit way',
    args: ['compat-rename', 'file', 'new'],
    result: 0n,
    event: call('rename'),
    strings: { typedPath: 'file', newTypedPath: 'new' },
  },
  {
    title: 'renameat from one directory to another: each by itself',
    args: ['renameat', 'TOP/link/inner', 'file', 'TOP/empty', 'new'],
    cwd: '/usr',
    result: 0n,
    event: call('renameat', { fileDescriptor: 3n }),
    strings: { base: 'TOP/full/inner', typedPath: 'file', newBase: 'TOP/empty', newTypedPath: 'new' },
  },
  {
    title: 'renameat out of the working directory',
    args: ['renameat', 'cwd', 'file', 'TOP/empty', 'new'],
    result: 0n,
    event: call('renameat'),
    strings: { typedPath: 'file', newBase: 'TOP/empty', newTypedPath: 'new' },
  },
  {
    title: 'renameat to a descriptor that is not open: the new name’s text alone',
    args: ['renameat', 'cwd', 'file', 'none', 'new'],
    result: -9n,
    event: call('renameat', { secondSource: BigInt(eventPathSource.text) }),
    strings: { typedPath: 'file', newTypedPath: 'new' },
  },
  {
    title: 'renameat the 32-bit way',
    args: ['compat-renameat', 'TOP', 'file', 'TOP/empty', 'new'],
    result: 0n,
    event: call('renameat', { fileDescriptor: 3n }),
    strings: { base: 'TOP', typedPath: 'file', newBase: 'TOP/empty', newTypedPath: 'new' },
  },
  {
    title: 'renameat2 that would replace and must not',
    args: ['renameat2', 'cwd', 'file', 'cwd', 'empty', '1'],
    result: -17n,
    event: call('renameat2', { flags: 1n }),
    strings: { typedPath: 'file', newTypedPath: 'empty' },
  },
  {
    title: 'renameat2 that exchanges',
    args: ['renameat2', 'cwd', 'file', 'TOP/full', 'inner', '2'],
    result: 0n,
    event: call('renameat2', { flags: 2n }),
    strings: { typedPath: 'file', newBase: 'TOP/full', newTypedPath: 'inner' },
  },
  {
    title: 'renameat2 with a flag that it does not know',
    args: ['renameat2', 'cwd', 'file', 'cwd', 'new', '0x80000000'],
    result: -22n,
    event: call('renameat2', { flags: 0x80000000n }),
    strings: { typedPath: 'file', newTypedPath: 'new' },
  },
  {
    title: 'renameat2 the 32-bit way',
    args: ['compat-renameat2', 'cwd', 'file', 'cwd', 'new', '1'],
    result: 0n,
    event: call('renameat2', { flags: 1n }),
    strings: { typedPath: 'file', newTypedPath: 'new' },
  },
];

/** The call that a case makes, also where it is made the 32-bit way. */
function callOf({ args }: Case): string {
  return args[0]?.replace('compat-', '') ?? '';
}

for (const name of Object.keys(numbers)) {
  kernelTest(`${name}: every field of each case`, async (t) => {
    const capture = openCapture(t);
    const program = testProgram('names');
    for (const one of cases.filter((other) => callOf(other) === name)) {
      const top = directory(t);
      const here = (text: string): string =>
        text.replace('TOPNAME', top.slice(top.lastIndexOf('/') + 1)).replace('TOP', top);
      const cwd = here(one.cwd ?? 'TOP');
      const run = await capture.run(program, one.args.map(here), {
        cwd,
        ...(one.uid === undefined ? {} : { uid: one.uid }),
      });
      t.is(BigInt(run.stdout), one.result, one.title);
      const [, event] = run.events;
      t.deepEqual(
        run.events.map(({ operation }) => operation),
        ['exec', one.event.operation, 'exit'],
        `${one.title}: and nothing else came`,
      );
      if (event === undefined) throw new Error('no event');
      const plain = plainEvent(capture, run, program, cwd);
      const strings = Object.fromEntries(Object.entries(one.strings).map(([string, text]) => [string, here(text)]));
      t.deepEqual(
        wholeOf(event),
        { ...plain, ...one.event, strings: { ...plain.strings, ...strings } } as WholeEvent,
        one.title,
      );
    }
  });
}

kernelTest('in another root the paths are as that root shows them', async (t) => {
  const top = directory(t);
  copyFileSync(testProgram('names'), join(top, 'names'));
  const capture = openCapture(t);
  const removed = await capture.run('/usr/sbin/chroot', [top, '/names', 'unlinkat', '/full/inner', 'file', '0']);
  t.is(removed.stdout, '0\n');
  t.like(removed.events.at(-2)?.strings, { cwd: '/', base: '/full/inner', typedPath: 'file' });
  const renamed = await capture.run('/usr/sbin/chroot', [top, '/names', 'renameat', '/full', 'inner', 'cwd', 'new']);
  t.is(renamed.stdout, '0\n');
  t.true(existsSync(join(top, 'new')));
  t.like(renamed.events.at(-2)?.strings, { cwd: '/', base: '/full', typedPath: 'inner', newTypedPath: 'new' });
});

kernelTest(
  'in a directory beyond the limit the base is a known suffix, and a name too long for a call is a prefix',
  async (t) => {
    const top = directory(t);
    const name = 'd'.repeat(250);
    const before = process.cwd();
    process.chdir(top);
    try {
      for (let level = 0; level < 20; level++) {
        mkdirSync(name);
        process.chdir(name);
      }
      writeFileSync('file', '');
      const capture = openCapture(t);
      const { events, stdout } = await capture.run(testProgram('names'), ['renameat2', '.', 'file', '.', 'new', '0'], {
        cwd: '.',
      });
      t.is(stdout, '0\n');
      const event = events[1];
      t.deepEqual(event?.truncated, ['cwd', 'base', 'newBase']);
      t.regex(event?.strings.base ?? '', new RegExp(`^${name}/.*/${name}$`, 'u'));
      t.is(event?.strings.newBase, event?.strings.base);
      const long = await capture.run(testProgram('names'), ['unlink', 'x'.repeat(5000)]);
      t.is(long.stdout, '-36\n');
      t.deepEqual(long.events[1]?.truncated, ['typedPath']);
      t.is(long.events[1]?.strings.typedPath, 'x'.repeat(4095));
    } finally {
      process.chdir(before);
    }
  },
);

kernelTest('what the pipeline removes and renames itself is counted as filtered', async (t) => {
  const top = directory(t);
  const capture = openCapture(t);
  capture.monitor.registerProcess();
  rmSync(join(top, 'file'));
  rmSync(join(top, 'empty'), { recursive: true });
  const { events } = await capture.run(testProgram('names'), ['rename', 'full', 'new'], { cwd: top });
  t.is(events[1]?.operation, 'rename', 'another process is told of');
  await capture.finish();
  const own = capture.events.filter(({ hostTgid }) => hostTgid === BigInt(process.pid));
  t.deepEqual(
    own.filter(({ operation }) => operation === 'unlink' || operation === 'rmdir' || operation === 'rename'),
    [],
  );
  const { filtered, operations } = capture.monitor.statistics();
  const count = (operation: number): number =>
    filtered.reduce((sum, value, place) => sum + (place % operations === operation ? value : 0), 0);
  t.true(count(7) >= 1 && count(8) >= 1);
});

kernelTest('a mount that the directory lies in is part of its path', async (t) => {
  const top = directory(t);
  const mount = join(top, 'empty');
  t.is(spawnSync('mount', ['-t', 'tmpfs', 'palisade-names', mount]).status, 0);
  try {
    writeFileSync(join(mount, 'file'), '');
    const { events, stdout } = await openCapture(t).run(testProgram('names'), ['unlinkat', mount, 'file', '0']);
    t.is(stdout, '0\n');
    t.like(events[1]?.strings, { base: mount, typedPath: 'file' });
  } finally {
    spawnSync('umount', [mount]);
  }
});
