import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { openCapture, ownNamespaces, whyNoKernelTests } from '../support/kernel-capture.ts';
import { testProgram } from '../support/programs.ts';

const reason = whyNoKernelTests();
const kernelTest = reason === undefined ? test.serial : test.serial.skip;
if (reason !== undefined) console.log(`skipped: ${reason}`);

function directory(t: ExecutionContext, parent = '/tmp'): string {
  const made = mkdtempSync(join(parent, 'palisade-view-'));
  chmodSync(made, 0o755);
  t.teardown(() => {
    rmSync(made, { recursive: true });
  });
  return made;
}

kernelTest('paths are as the process’s own root shows them; the parent’s as its own', async (t) => {
  const root = directory(t);
  mkdirSync(join(root, 'inner'));
  copyFileSync(testProgram('open'), join(root, 'program'));
  writeFileSync(join(root, 'inner/file'), '');
  const { events } = await openCapture(t).run('/usr/sbin/chroot', [root, '/program', 'openat', 'inner/file']);
  t.like(events.at(-2)?.strings, {
    executable: '/program',
    parentExecutable: process.execPath,
    cwd: '/',
    path: '/inner/file',
    typedPath: 'inner/file',
  });
});

kernelTest('a path that crosses a mount is whole', async (t) => {
  const mount = directory(t);
  t.is(spawnSync('mount', ['-t', 'tmpfs', 'palisade-view', mount]).status, 0);
  try {
    writeFileSync(join(mount, 'file'), '');
    const { events } = await openCapture(t).run(testProgram('open'), ['openat', 'file'], { cwd: mount });
    t.like(events[1]?.strings, { path: join(mount, 'file'), cwd: mount });
  } finally {
    spawnSync('umount', [mount]);
  }
});

kernelTest('in a pid namespace of its own, a process has the numbers of both', async (t) => {
  const capture = openCapture(t);
  await capture.run('/usr/bin/unshare', ['--pid', '--mount', '--fork', testProgram('open'), 'openat', '/etc/hostname']);
  const event = await capture.event(({ strings }) => strings.comm === 'open' && strings.path === '/etc/hostname');
  t.like(event, { tgid: 1n, tid: 1n, ppid: 0n });
  t.true(event.hostTgid > 1n && event.hostPpid > 1n);
  const own = ownNamespaces();
  t.not(event.pidNamespace, own.pidNamespace);
  t.not(event.mountNamespace, own.mountNamespace);
});

kernelTest('bytes of a name arrive as they are: newline, quote, escape, invalid UTF-8', async (t) => {
  const made = directory(t);
  const names = ['a\nb\'"\x1b[31m\xff\xfe', 'a\nb\'"\x1b[31m\xff\xfd'];
  for (const name of names) {
    writeFileSync(Buffer.from(join(made, name), 'latin1'), '');
  }
  const capture = openCapture(t);
  // Arguments of spawn are UTF-8: a shell makes the bytes.
  await capture.run('/bin/sh', ['-c', `cd ${made} && for name in *; do ${testProgram('open')} openat "$name"; done`]);
  const opened = capture.events.filter(
    ({ operation, strings }) => operation === 'open' && strings.cwd === made && strings.comm === 'open',
  );
  t.deepEqual(opened.map(({ strings }) => strings.path).sort(), names.map((name) => join(made, name)).sort());
  t.deepEqual(opened.map(({ strings }) => strings.typedPath).sort(), [...names].sort());
});
