import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { constants } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { eventConstant, eventPathSource } from '../../collector/event-layout.ts';
import { openCapture, ownLoginUid, ownNamespaces, whyNoKernelTests } from '../support/kernel-capture.ts';
import type { KernelEvent } from '../support/kernel-event.ts';
import { testProgram } from '../support/programs.ts';

const reason = whyNoKernelTests();
const kernelTest = reason === undefined ? test.serial : test.serial.skip;
if (reason !== undefined) console.log(`skipped: ${reason}`);

const noUid = 0xffffffffn;
/** O_CLOEXEC of asm-generic/fcntl.h; Node has no constant of it. */
const closeOnExec = 0o2000000;

function directory(t: ExecutionContext): string {
  const made = mkdtempSync('/tmp/palisade-open-');
  chmodSync(made, 0o755);
  t.teardown(() => {
    rmSync(made, { recursive: true });
  });
  return made;
}

/** Runs one call, and asserts that it is the only act between the program's exec and its exit. */
async function onlyOpen(
  t: ExecutionContext,
  args: readonly string[],
  options: { readonly cwd?: string; readonly uid?: number; readonly opensBefore?: number } = {},
): Promise<{ readonly event: KernelEvent; readonly result: bigint }> {
  const capture = openCapture(t);
  const { events, stdout } = await capture.run(testProgram('open'), args, options);
  const before = options.opensBefore ?? 0;
  t.deepEqual(
    events.map(({ operation }) => operation),
    ['exec', ...Array.from({ length: before + 1 }, () => 'open' as const), 'exit'],
    'and nothing else came',
  );
  const event = events[before + 1];
  if (event === undefined) throw new Error('no event');
  return { event, result: BigInt(stdout) };
}

kernelTest('openat that succeeds: every field', async (t) => {
  const file = join(directory(t), 'file');
  writeFileSync(file, '', { mode: 0o644 });
  const capture = openCapture(t);
  const { events, hostPid, stdout } = await capture.run(testProgram('open'), ['openat', file, '0x80000'], {
    cwd: '/usr',
  });
  const [exec, event, exit] = events;
  if (exec === undefined || event === undefined || exit === undefined) throw new Error('events are missing');
  t.is(events.length, 3, 'and nothing else came');
  const fork = await capture.event(({ childHostTgid }) => childHostTgid === BigInt(hostPid));
  const stat = statSync(file, { bigint: true });
  const { pidNamespace, mountNamespace } = ownNamespaces();
  const device = ((stat.dev >> 8n) << 20n) | (stat.dev & 0xffn);

  t.like(event, {
    operation: 'open',
    version: BigInt(eventConstant.eventVersion),
    session: capture.monitor.session,
    syscall: 257n,
    returnValue: BigInt(stdout),
    flags: 0x80000n,
    mode: 0o640n,
    fileDescriptor: -100n,
    hostTgid: BigInt(hostPid),
    hostTid: BigInt(hostPid),
    hostPpid: BigInt(process.pid),
    startTimeNs: fork.childStartTimeNs,
    parentStartTimeNs: fork.startTimeNs,
    uid: 0n,
    euid: 0n,
    fsuid: 0n,
    gid: 0n,
    loginUid: ownLoginUid(),
    pidNamespace,
    mountNamespace,
    containerCgroupId: 0n,
    pathSource: BigInt(eventPathSource.object),
    fileInode: stat.ino,
    fileDevice: device,
    fileMode: BigInt(constants.S_IFREG | 0o644),
    fileOwnerUid: 0n,
    fileOwnerGid: 0n,
    secondSource: 0n,
    secondInode: 0n,
    callerUid: noUid,
    childHostTgid: 0n,
    childStartTimeNs: 0n,
    addressFamily: 0n,
    port: 0n,
  });
  t.deepEqual(event.truncated, []);
  const { comm, executable, parentExecutable, cwd, path, typedPath, ...others } = event.strings;
  t.deepEqual([comm, cwd, path, typedPath], ['open', '/usr', file, file]);
  t.is(executable, testProgram('open'));
  t.is(parentExecutable, process.execPath);
  t.deepEqual(
    Object.keys(others).filter((name) => name !== 'tty'),
    [],
    'and no other string',
  );
  t.true(event.cgroupId > 0n);
  t.true(exec.timeNs < event.timeNs && event.timeNs < exit.timeNs);
});

kernelTest('open with O_CREAT carries flags, mode and the new inode', async (t) => {
  const made = join(directory(t), 'made');
  const open = await onlyOpen(t, ['open', made, String(constants.O_CREAT | constants.O_RDWR)]);
  t.like(open.event, {
    syscall: 2n,
    flags: BigInt(constants.O_CREAT | constants.O_RDWR),
    mode: 0o640n,
    returnValue: open.result,
  });
  t.is(open.event.fileInode, statSync(made, { bigint: true }).ino);
});

kernelTest('creat has the flags that it stands for', async (t) => {
  const creat = await onlyOpen(t, ['creat', join(directory(t), 'made')]);
  t.like(creat.event, {
    syscall: 85n,
    flags: BigInt(constants.O_CREAT | constants.O_WRONLY | constants.O_TRUNC),
    mode: 0o640n,
  });
});

kernelTest('openat2 is told with the flags of its struct', async (t) => {
  const { event, result } = await onlyOpen(t, ['openat2', '/etc/passwd', String(closeOnExec)]);
  t.like(event, {
    syscall: 437n,
    flags: BigInt(closeOnExec),
    mode: 0n,
    returnValue: result,
    fileDescriptor: -100n,
  });
  t.is(event.strings.path, '/etc/passwd');
});

kernelTest('a relative path through a descriptor is told as the object, by its whole path', async (t) => {
  const { event } = await onlyOpen(t, ['openat', 'passwd', '0', '/etc'], { opensBefore: 1 });
  t.is(event.strings.path, '/etc/passwd');
  t.is(event.strings.typedPath, 'passwd');
  t.true(event.fileDescriptor >= 0n);
});

kernelTest('a symbolic link is told as what it leads to', async (t) => {
  const link = join(directory(t), 'link');
  symlinkSync('/etc/passwd', link);
  const { event } = await onlyOpen(t, ['openat', link]);
  t.is(event.strings.path, '/etc/passwd');
  t.is(event.strings.typedPath, link);
});

for (const { call, path } of [
  { call: 'memfd', path: '/memfd:of the test' },
  { call: 'pipe', path: '/pipefs' },
]) {
  kernelTest(`what is in no directory has a path of its own that is not the root's: ${call}`, async (t) => {
    const { event, result } = await onlyOpen(t, [call, 'of the test']);
    t.true(result >= 0n);
    t.is(event.strings.path, path);
    t.like(event, { pathSource: BigInt(eventPathSource.object), truncated: [] });
    t.true(event.fileInode > 0n);
  });
}

kernelTest('an openat2 that fails for flags beyond all numbers is told, by those that fit', async (t) => {
  const { event, result } = await onlyOpen(t, ['openat2', '/etc/passwd', '0x8010000000080001']);
  t.is(result, -22n);
  t.like(event, { syscall: 437n, returnValue: -22n, flags: 0x80001n });
});

kernelTest('a path typed in another root, where nothing is found, is text and no path of ours', async (t) => {
  const { event, result } = await onlyOpen(t, ['in-root', '/not/there', '0', '/usr'], { opensBefore: 1 });
  t.is(result, -2n);
  t.like(event, { pathSource: BigInt(eventPathSource.text) });
  t.like(event.strings, { typedPath: '/not/there', path: undefined });
});

kernelTest('an open that fails has the text, and the directory it was relative to', async (t) => {
  const { event, result } = await onlyOpen(t, ['openat', 'not/there', '0', '/etc'], { opensBefore: 1, cwd: '/usr' });
  t.is(result, -2n);
  t.like(event, {
    returnValue: -2n,
    pathSource: BigInt(eventPathSource.baseAndText),
    fileInode: 0n,
    fileOwnerUid: noUid,
  });
  t.is(event.strings.base, '/etc');
  t.is(event.strings.typedPath, 'not/there');
  t.is(event.strings.path, undefined);
});

kernelTest('an open that fails in the working directory has no other base', async (t) => {
  const { event } = await onlyOpen(t, ['openat', 'missing'], { cwd: '/usr' });
  t.is(event.strings.base, undefined);
  t.is(event.strings.cwd, '/usr');
  t.is(event.pathSource, BigInt(eventPathSource.baseAndText));
});

kernelTest('an open that is refused carries the errno and whose it was', async (t) => {
  const { event, result } = await onlyOpen(t, ['openat', '/etc/shadow'], { uid: 65534 });
  t.is(result, -13n);
  t.like(event, { returnValue: -13n, uid: 65534n, euid: 65534n, fsuid: 65534n });
});

kernelTest('an open of an unreadable address fails and is counted where it failed', async (t) => {
  const capture = openCapture(t);
  const { events } = await capture.run(testProgram('open'), ['unreadable', '/']);
  t.is(events[1]?.returnValue, -14n);
  t.is(events[1]?.strings.typedPath, undefined);
  const failures = capture.monitor.helperFailures().filter(({ place }) => place.startsWith('path.bpf.h:'));
  t.true(failures.some(({ errno, count }) => errno === 14 && count > 0));
});

kernelTest('an open the 32-bit way is told under the number of its 64-bit twin', async (t) => {
  const { event, result } = await onlyOpen(t, ['compat', '/etc/passwd', '0']);
  t.true(result >= 0n);
  t.like(event, { syscall: 2n, returnValue: result, flags: 0n });
  t.is(event.strings.path, '/etc/passwd');
});

kernelTest('an open with O_PATH is no act, and counted as filtered', async (t) => {
  const capture = openCapture(t);
  const { events } = await capture.run(testProgram('open'), ['openat', '/etc/passwd', String(0o10000000)]);
  t.deepEqual(
    events.map(({ operation }) => operation),
    ['exec', 'exit'],
  );
  const { filtered } = capture.monitor.statistics();
  t.true(filtered.reduce((sum, count) => sum + count) > 0);
});

kernelTest('an open that signals interrupt and the kernel starts again is told once, by its end', async (t) => {
  const fifo = join(directory(t), 'fifo');
  t.is(spawnSync('mkfifo', [fifo]).status, 0);
  const { events, stdout } = await openCapture(t).run(testProgram('open'), ['interrupted', fifo]);
  // The handler of the third signal opens the other end.
  t.deepEqual(
    events.map(({ operation, flags, returnValue }) => [operation, flags, returnValue > 0n]),
    [
      ['exec', 0n, false],
      ['open', BigInt(constants.O_RDWR), true],
      ['open', BigInt(constants.O_RDONLY), true],
      ['exit', 0n, false],
    ],
  );
  t.is(events[2]?.returnValue, BigInt(stdout));
});

kernelTest('a path beyond the limit is a known suffix, and marked so', async (t) => {
  const top = directory(t);
  // 20 levels of 250 bytes: 5,020 bytes, made step by step since no call takes such a path.
  const before = process.cwd();
  process.chdir(top);
  const name = 'd'.repeat(250);
  for (let level = 0; level < 20; level++) {
    mkdirSync(name);
    process.chdir(name);
  }
  closeSync(openSync('file', 'w'));
  const capture = openCapture(t);
  const { events } = await capture.run(testProgram('open'), ['openat', 'file'], { cwd: '.' });
  process.chdir(before);
  const event = events[1];
  t.deepEqual(event?.truncated, ['cwd', 'path']);
  const path = event?.strings.path ?? '';
  t.true(path.length <= eventConstant.pathMax && path.length > eventConstant.pathMax - 260);
  t.true(path.startsWith(name) && path.endsWith(`/${name}/file`));
});

kernelTest('two hundred levels are walked', async (t) => {
  const deep = join(directory(t), ...Array.from({ length: 190 }, () => 'd'));
  mkdirSync(deep, { recursive: true });
  writeFileSync(join(deep, 'file'), '');
  const { event } = await onlyOpen(t, ['openat', join(deep, 'file')]);
  t.deepEqual(event.truncated, []);
  t.is(event.strings.path, join(deep, 'file'));
});

kernelTest('an act on a terminal names the terminal', async (t) => {
  const capture = openCapture(t);
  // script(1) gives its child a terminal of its own.
  await capture.run('/usr/bin/script', ['-qec', `${testProgram('open')} openat /etc/hostname`, '/dev/null']);
  const event = await capture.event(({ strings }) => strings.comm === 'open' && strings.path === '/etc/hostname');
  t.regex(event.strings.tty ?? '', /^pts\d+$/);
});
