import { spawnSync } from 'node:child_process';
import { copyFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { eventPathSource } from '../../collector/event-layout.ts';
import { openCapture, whyNoKernelTests } from '../support/kernel-capture.ts';
import { callByName, holdsOfCases, namesDirectory, type NameCase } from '../support/name-cases.ts';
import { testProgram } from '../support/programs.ts';

// unlink, unlinkat and rmdir as the kernel's programs tell of them: every field of each event.

const reason = whyNoKernelTests();
const kernelTest = reason === undefined ? test.serial : test.serial.skip;
if (reason !== undefined) console.log(`skipped: ${reason}`);

const atRemoveDirectory = 0x200n;

const cases: readonly NameCase[] = [
  {
    title: 'unlink by a whole path',
    args: ['unlink', 'TOP/file'],
    result: 0n,
    event: callByName('unlink'),
    strings: { typedPath: 'TOP/file' },
  },
  {
    title: 'unlink by a name in the working directory',
    args: ['unlink', 'file'],
    result: 0n,
    event: callByName('unlink'),
    strings: { typedPath: 'file' },
  },
  {
    title: 'unlink in a directory that was entered through a link: the directory itself, and the name',
    args: ['unlink', 'file'],
    cwd: 'TOP/link/inner',
    result: 0n,
    event: callByName('unlink'),
    strings: { typedPath: 'file', cwd: 'TOP/full/inner' },
  },
  {
    title: 'unlink through a link in the text: the text',
    args: ['unlink', 'TOP/link/inner/file'],
    result: 0n,
    event: callByName('unlink'),
    strings: { typedPath: 'TOP/link/inner/file' },
  },
  {
    title: 'unlink with .. and repeated slashes in the text: the text',
    args: ['unlink', '..//TOPNAME/./file'],
    result: 0n,
    event: callByName('unlink'),
    strings: { typedPath: '..//TOPNAME/./file' },
  },
  {
    title: 'unlink of what is not there',
    args: ['unlink', 'missing'],
    result: -2n,
    event: callByName('unlink'),
    strings: { typedPath: 'missing' },
  },
  {
    title: 'unlink that is refused',
    args: ['unlink', 'file'],
    uid: 65534,
    result: -13n,
    event: callByName('unlink', { uid: 65534n, euid: 65534n, fsuid: 65534n }),
    strings: { typedPath: 'file' },
  },
  {
    title: 'unlink of a directory',
    args: ['unlink', 'empty'],
    result: -21n,
    event: callByName('unlink'),
    strings: { typedPath: 'empty' },
  },
  {
    title: 'unlink of a file whose name has a slash behind it',
    args: ['unlink', 'file/'],
    result: -20n,
    event: callByName('unlink'),
    strings: { typedPath: 'file/' },
  },
  { title: 'unlink of nothing', args: ['unlink', ''], result: -2n, event: callByName('unlink'), strings: {} },
  {
    title: 'unlink of an address where nothing is',
    args: ['unlink', 'unreadable'],
    result: -14n,
    event: callByName('unlink'),
    strings: {},
  },
  {
    title: 'unlink the 32-bit way is told under the number of its twin',
    args: ['compat-unlink', 'TOP/file'],
    result: 0n,
    event: callByName('unlink'),
    strings: { typedPath: 'TOP/file' },
  },
  {
    title: 'unlinkat in the working directory',
    args: ['unlinkat', 'cwd', 'file', '0'],
    result: 0n,
    event: callByName('unlinkat'),
    strings: { typedPath: 'file' },
  },
  {
    title: 'unlinkat in the directory of a descriptor: the directory itself, through whatever link it was opened',
    args: ['unlinkat', 'TOP/link/inner', 'file', '0'],
    cwd: '/usr',
    result: 0n,
    event: callByName('unlinkat', { fileDescriptor: 3n }),
    strings: { base: 'TOP/full/inner', typedPath: 'file' },
  },
  {
    title: 'unlinkat of a whole path needs no descriptor, and tells no base',
    args: ['unlinkat', 'none', 'TOP/file', '0'],
    result: 0n,
    event: callByName('unlinkat', { fileDescriptor: 999n }),
    strings: { typedPath: 'TOP/file' },
  },
  {
    title: 'unlinkat by a descriptor that is not open: the text alone',
    args: ['unlinkat', 'none', 'file', '0'],
    result: -9n,
    event: callByName('unlinkat', { fileDescriptor: 999n, pathSource: BigInt(eventPathSource.text) }),
    strings: { typedPath: 'file' },
  },
  {
    title: 'unlinkat with a flag that it does not know',
    args: ['unlinkat', 'cwd', 'file', '0x1000'],
    result: -22n,
    event: callByName('unlinkat', { flags: 0x1000n }),
    strings: { typedPath: 'file' },
  },
  {
    title: 'unlinkat with AT_REMOVEDIR is rmdir',
    args: ['unlinkat', 'TOP', 'empty', '0x200'],
    cwd: '/usr',
    result: 0n,
    event: callByName('unlinkat', { operation: 'rmdir', flags: atRemoveDirectory, fileDescriptor: 3n }),
    strings: { base: 'TOP', typedPath: 'empty' },
  },
  {
    title: 'unlinkat with AT_REMOVEDIR of a file',
    args: ['unlinkat', 'cwd', 'file', '0x200'],
    result: -20n,
    event: callByName('unlinkat', { operation: 'rmdir', flags: atRemoveDirectory }),
    strings: { typedPath: 'file' },
  },
  {
    title: 'unlinkat the 32-bit way',
    args: ['compat-unlinkat', 'TOP', 'empty', '0x200'],
    result: 0n,
    event: callByName('unlinkat', { operation: 'rmdir', flags: atRemoveDirectory, fileDescriptor: 3n }),
    strings: { base: 'TOP', typedPath: 'empty' },
  },
  {
    title: 'rmdir',
    args: ['rmdir', 'empty'],
    result: 0n,
    event: callByName('rmdir'),
    strings: { typedPath: 'empty' },
  },
  {
    title: 'rmdir of a name with a slash behind it',
    args: ['rmdir', 'empty//'],
    result: 0n,
    event: callByName('rmdir'),
    strings: { typedPath: 'empty//' },
  },
  {
    title: 'rmdir of the working directory: it keeps its path',
    args: ['rmdir', '../empty'],
    cwd: 'TOP/empty',
    result: 0n,
    event: callByName('rmdir'),
    strings: { typedPath: '../empty', cwd: 'TOP/empty' },
  },
  {
    title: 'rmdir of a directory that is not empty',
    args: ['rmdir', 'full'],
    result: -39n,
    event: callByName('rmdir'),
    strings: { typedPath: 'full' },
  },
  {
    title: 'rmdir of a link to a directory',
    args: ['rmdir', 'link/'],
    result: -20n,
    event: callByName('rmdir'),
    strings: { typedPath: 'link/' },
  },
  {
    title: 'rmdir of .',
    args: ['rmdir', '.'],
    result: -22n,
    event: callByName('rmdir'),
    strings: { typedPath: '.' },
  },
  {
    title: 'rmdir that is refused',
    args: ['rmdir', 'empty'],
    uid: 65534,
    result: -13n,
    event: callByName('rmdir', { uid: 65534n, euid: 65534n, fsuid: 65534n }),
    strings: { typedPath: 'empty' },
  },
  {
    title: 'rmdir the 32-bit way',
    args: ['compat-rmdir', 'empty'],
    result: 0n,
    event: callByName('rmdir'),
    strings: { typedPath: 'empty' },
  },
];

for (const name of ['unlink', 'unlinkat', 'rmdir'] as const) {
  kernelTest(`${name}: every field of each case`, async (t) => {
    await holdsOfCases(t, name, cases);
  });
}

kernelTest('in another root the path is as that root shows it', async (t) => {
  const top = namesDirectory(t);
  copyFileSync(testProgram('names'), join(top, 'names'));
  const capture = openCapture(t);
  const removed = await capture.run('/usr/sbin/chroot', [top, '/names', 'unlinkat', '/full/inner', 'file', '0']);
  t.is(removed.stdout, '0\n');
  t.like(removed.events.at(-2)?.strings, { cwd: '/', base: '/full/inner', typedPath: 'file' });
});

kernelTest('a name too long for a call is a prefix', async (t) => {
  const capture = openCapture(t);
  const long = await capture.run(testProgram('names'), ['unlink', 'x'.repeat(5000)]);
  t.is(long.stdout, '-36\n');
  t.deepEqual(long.events[1]?.truncated, ['typedPath']);
  t.is(long.events[1]?.strings.typedPath, 'x'.repeat(4095));
});

kernelTest('what the pipeline removes itself is counted as filtered', async (t) => {
  const top = namesDirectory(t);
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
  const top = namesDirectory(t);
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
