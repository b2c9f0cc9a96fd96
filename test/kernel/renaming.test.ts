import { copyFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { eventPathSource } from '../../collector/event-layout.ts';
import { openCapture, whyNoKernelTests } from '../support/kernel-capture.ts';
import { callByName, holdsOfCases, namesDirectory, type NameCase } from '../support/name-cases.ts';
import { testProgram } from '../support/programs.ts';

// rename, renameat and renameat2 as the kernel's programs tell of them: every field of each event.

const reason = whyNoKernelTests();
const kernelTest = reason === undefined ? test.serial : test.serial.skip;
if (reason !== undefined) console.log(`skipped: ${reason}`);

const cases: readonly NameCase[] = [
  {
    title: 'rename by names in the working directory',
    args: ['rename', 'file', 'new'],
    result: 0n,
    event: callByName('rename'),
    strings: { typedPath: 'file', newTypedPath: 'new' },
  },
  {
    title: 'rename by whole paths, onto what is there',
    args: ['rename', 'TOP/file', 'TOP/full/inner/file'],
    result: 0n,
    event: callByName('rename'),
    strings: { typedPath: 'TOP/file', newTypedPath: 'TOP/full/inner/file' },
  },
  {
    title: 'rename of a directory in which the process is: the path that it has afterwards',
    args: ['rename', '../full', '../new'],
    cwd: 'TOP/full',
    result: 0n,
    event: callByName('rename'),
    strings: { typedPath: '../full', newTypedPath: '../new', cwd: 'TOP/new' },
  },
  {
    title: 'rename of what is not there',
    args: ['rename', 'missing', 'new'],
    result: -2n,
    event: callByName('rename'),
    strings: { typedPath: 'missing', newTypedPath: 'new' },
  },
  {
    title: 'rename onto a directory that is not empty',
    args: ['rename', 'empty', 'full'],
    result: -39n,
    event: callByName('rename'),
    strings: { typedPath: 'empty', newTypedPath: 'full' },
  },
  {
    title: 'rename onto another file system',
    args: ['rename', 'file', '/proc/palisade'],
    result: -18n,
    event: callByName('rename'),
    strings: { typedPath: 'file', newTypedPath: '/proc/palisade' },
  },
  {
    title: 'rename that is refused',
    args: ['rename', 'file', 'new'],
    uid: 65534,
    result: -13n,
    event: callByName('rename', { uid: 65534n, euid: 65534n, fsuid: 65534n }),
    strings: { typedPath: 'file', newTypedPath: 'new' },
  },
  {
    title: 'rename whose new name cannot be read',
    args: ['rename', 'file', 'unreadable'],
    result: -14n,
    event: callByName('rename'),
    strings: { typedPath: 'file' },
  },
  {
    title: 'rename the 32-bit way',
    args: ['compat-rename', 'file', 'new'],
    result: 0n,
    event: callByName('rename'),
    strings: { typedPath: 'file', newTypedPath: 'new' },
  },
  {
    title: 'renameat from one directory to another: each by itself',
    args: ['renameat', 'TOP/link/inner', 'file', 'TOP/empty', 'new'],
    cwd: '/usr',
    result: 0n,
    event: callByName('renameat', { fileDescriptor: 3n }),
    strings: { base: 'TOP/full/inner', typedPath: 'file', newBase: 'TOP/empty', newTypedPath: 'new' },
  },
  {
    title: 'renameat out of the working directory',
    args: ['renameat', 'cwd', 'file', 'TOP/empty', 'new'],
    result: 0n,
    event: callByName('renameat'),
    strings: { typedPath: 'file', newBase: 'TOP/empty', newTypedPath: 'new' },
  },
  {
    title: 'renameat to a descriptor that is not open: the new name’s text alone',
    args: ['renameat', 'cwd', 'file', 'none', 'new'],
    result: -9n,
    event: callByName('renameat', { secondSource: BigInt(eventPathSource.text) }),
    strings: { typedPath: 'file', newTypedPath: 'new' },
  },
  {
    title: 'renameat the 32-bit way',
    args: ['compat-renameat', 'TOP', 'file', 'TOP/empty', 'new'],
    result: 0n,
    event: callByName('renameat', { fileDescriptor: 3n }),
    strings: { base: 'TOP', typedPath: 'file', newBase: 'TOP/empty', newTypedPath: 'new' },
  },
  {
    title: 'renameat2 that would replace and must not',
    args: ['renameat2', 'cwd', 'file', 'cwd', 'empty', '1'],
    result: -17n,
    event: callByName('renameat2', { flags: 1n }),
    strings: { typedPath: 'file', newTypedPath: 'empty' },
  },
  {
    title: 'renameat2 that exchanges',
    args: ['renameat2', 'cwd', 'file', 'TOP/full', 'inner', '2'],
    result: 0n,
    event: callByName('renameat2', { flags: 2n }),
    strings: { typedPath: 'file', newBase: 'TOP/full', newTypedPath: 'inner' },
  },
  {
    title: 'renameat2 with a flag that it does not know',
    args: ['renameat2', 'cwd', 'file', 'cwd', 'new', '0x80000000'],
    result: -22n,
    event: callByName('renameat2', { flags: 0x80000000n }),
    strings: { typedPath: 'file', newTypedPath: 'new' },
  },
  {
    title: 'renameat2 the 32-bit way',
    args: ['compat-renameat2', 'cwd', 'file', 'cwd', 'new', '1'],
    result: 0n,
    event: callByName('renameat2', { flags: 1n }),
    strings: { typedPath: 'file', newTypedPath: 'new' },
  },
];

for (const name of ['rename', 'renameat', 'renameat2'] as const) {
  kernelTest(`${name}: every field of each case`, async (t) => {
    await holdsOfCases(t, name, cases);
  });
}

kernelTest('in another root the paths are as that root shows them', async (t) => {
  const top = namesDirectory(t);
  copyFileSync(testProgram('names'), join(top, 'names'));
  const capture = openCapture(t);
  const renamed = await capture.run('/usr/sbin/chroot', [top, '/names', 'renameat', '/full', 'inner', 'cwd', 'new']);
  t.is(renamed.stdout, '0\n');
  t.true(existsSync(join(top, 'new')));
  t.like(renamed.events.at(-2)?.strings, { cwd: '/', base: '/full', typedPath: 'inner', newTypedPath: 'new' });
});

kernelTest('in a directory beyond the limit the base is a known suffix', async (t) => {
  const top = namesDirectory(t);
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
  } finally {
    process.chdir(before);
  }
});
