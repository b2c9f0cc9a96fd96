import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { eventConstant, eventPathSource } from '../../collector/event-layout.ts';
import { openCapture, whyNoKernelTests } from '../support/kernel-capture.ts';
import type { KernelEvent } from '../support/kernel-event.ts';
import { testProgram } from '../support/programs.ts';

const reason = whyNoKernelTests();
const kernelTest = reason === undefined ? test.serial : test.serial.skip;
if (reason !== undefined) console.log(`skipped: ${reason}`);

const exit = testProgram('exit');

/** Arguments as an event has them: each followed by a NUL. */
function block(...args: readonly string[]): string {
  return args.map((argument) => `${argument}\0`).join('');
}

function directory(t: ExecutionContext): string {
  const made = mkdtempSync('/tmp/palisade-exec-');
  chmodSync(made, 0o755);
  t.teardown(() => {
    rmSync(made, { recursive: true });
  });
  return made;
}

/** The event of the second exec of a program that replaces itself, and nothing else but the first and the exit. */
async function secondExec(t: ExecutionContext, args: readonly string[], cwd = '/'): Promise<KernelEvent> {
  const { events } = await openCapture(t).run(testProgram('exec'), args, { cwd });
  t.deepEqual(
    events.map(({ operation }) => operation),
    ['exec', 'exec', 'exit'],
    'and nothing else came',
  );
  const event = events[1];
  if (event === undefined) throw new Error('no event');
  return event;
}

kernelTest('execve that succeeds: the program, its arguments, and what the caller was', async (t) => {
  const event = await secondExec(t, ['execve', exit, '0'], '/usr');
  const stat = statSync(exit, { bigint: true });
  t.like(event, {
    syscall: 59n,
    returnValue: 0n,
    flags: 0n,
    fileDescriptor: -1n,
    pathSource: BigInt(eventPathSource.object),
    fileInode: stat.ino,
    fileMode: stat.mode,
    fileOwnerUid: 0n,
    fileOwnerGid: 0n,
    secondSource: 0n,
    callerUid: 0n,
    callerEuid: 0n,
    callerFsuid: 0n,
    callerGid: 0n,
  });
  t.like(event.strings, {
    comm: 'exit',
    executable: exit,
    cwd: '/usr',
    path: exit,
    calledName: exit,
    callerExecutable: testProgram('exec'),
    arguments: block(exit, '0'),
  });
  t.is(event.strings.interpreter, undefined);
  t.deepEqual(event.truncated, []);
});

kernelTest('a program called through a link is told as the object, with the name it was called by', async (t) => {
  const link = join(directory(t), 'link');
  symlinkSync(exit, link);
  const event = await secondExec(t, ['execve', link, '0']);
  t.is(event.strings.path, exit);
  t.is(event.strings.calledName, link);
});

kernelTest('execveat names the directory and the program', async (t) => {
  const event = await secondExec(t, ['execveat', exit, '0']);
  t.is(event.syscall, 322n);
  t.true(event.fileDescriptor >= 0n);
  t.is(event.strings.path, exit);
  t.regex(event.strings.calledName ?? '', /^\/dev\/fd\/\d+\/exit$/);
});

kernelTest('a program that is in no directory is told by its own name', async (t) => {
  const { events } = await openCapture(t).run(testProgram('exec'), ['memfd', exit, '0']);
  t.deepEqual(
    events.map(({ operation }) => operation),
    ['exec', 'open', 'exec', 'exit'],
    'and nothing else came',
  );
  const event = events[2];
  t.like(event, { syscall: 322n, pathSource: BigInt(eventPathSource.object) });
  t.like(event?.strings, { path: '/memfd:copy', executable: '/memfd:copy', callerExecutable: testProgram('exec') });
});

kernelTest('a file that binfmt_misc keeps open for its interpreter is told as that file', async (t) => {
  const made = directory(t);
  const [formats, file] = [join(made, 'formats'), join(made, 'file.palisade-test')];
  mkdirSync(formats);
  execFileSync('mount', ['-t', 'binfmt_misc', 'binfmt_misc', formats]);
  t.teardown(() => {
    writeFileSync(join(formats, 'palisade-test'), '-1');
    execFileSync('umount', [formats]);
  });
  writeFileSync(join(formats, 'register'), `:palisade-test:E::palisade-test::${exit}:O`);
  writeFileSync(file, '0', { mode: 0o755 });
  const { events } = await openCapture(t).run(testProgram('exec'), ['execve', file, '0']);
  t.like(events[1]?.strings, { path: file, interpreter: exit, executable: exit });
  t.is(events[1]?.fileInode, statSync(file, { bigint: true }).ino);
});

kernelTest('a script is told as the script, with the interpreter that runs', async (t) => {
  const script = join(directory(t), 'script');
  writeFileSync(script, `#!${exit} 5\n`, { mode: 0o755 });
  const capture = openCapture(t);
  const { events, status } = await capture.run(testProgram('exec'), ['execve', script, 'argument']);
  t.not(status, null);
  const event = events[1];
  if (event === undefined) throw new Error('no event');
  t.is(events.filter(({ operation }) => operation === 'exec').length, 2);
  t.like(event, {
    pathSource: BigInt(eventPathSource.object),
    fileInode: statSync(script, { bigint: true }).ino,
    fileMode: statSync(script, { bigint: true }).mode,
    secondSource: BigInt(eventPathSource.object),
    secondInode: statSync(exit, { bigint: true }).ino,
  });
  t.like(event.strings, {
    path: script,
    interpreter: exit,
    executable: exit,
    calledName: script,
    arguments: block(exit, '5', script, 'argument'),
  });
});

kernelTest('a script whose interpreter is a script is told with the last interpreter', async (t) => {
  const made = directory(t);
  const inner = join(made, 'inner');
  const outer = join(made, 'outer');
  writeFileSync(inner, `#!${exit}\n`, { mode: 0o755 });
  writeFileSync(outer, `#!${inner}\n`, { mode: 0o755 });
  const { events } = await openCapture(t).run(testProgram('exec'), ['execve', outer]);
  t.is(events[1]?.strings.path, outer);
  t.is(events[1]?.strings.interpreter, exit);
});

kernelTest('a script called by a link and a relative name is told as the object', async (t) => {
  const made = directory(t);
  writeFileSync(join(made, 'script'), `#!${exit} 0\n`, { mode: 0o755 });
  symlinkSync('script', join(made, 'link'));
  const { events } = await openCapture(t).run(testProgram('exec'), ['execve', './link'], { cwd: made });
  t.is(events[1]?.strings.path, join(made, 'script'));
  t.is(events[1]?.strings.calledName, './link');
});

kernelTest('a set-uid program is told with its own credentials and the caller’s', async (t) => {
  const program = join(directory(t), 'set-uid');
  copyFileSync(exit, program);
  chmodSync(program, 0o4755);
  const { events } = await openCapture(t).run(testProgram('exec'), ['as', '65534', program, '0']);
  t.like(events[1], {
    flags: BigInt(eventConstant.execSetId),
    uid: 65534n,
    euid: 0n,
    fsuid: 0n,
    callerUid: 65534n,
    callerEuid: 65534n,
    callerFsuid: 65534n,
    fileMode: 0o104755n,
  });
});

kernelTest('arguments beyond the limit are cut and marked so', async (t) => {
  const long = 'a'.repeat(eventConstant.argumentsMax);
  const event = await secondExec(t, ['execve', exit, '0', long]);
  t.deepEqual(event.truncated, ['arguments']);
  t.is(event.strings.arguments?.length, eventConstant.argumentsMax);
  t.true(event.strings.arguments?.startsWith(`${block(exit, '0')}aaa`));
});

for (const { title, call, path, errno, number, base } of [
  { title: 'execve of what is not there', call: 'execve', path: 'not/there', errno: -2n, number: 59n, base: undefined },
  {
    title: 'execve of what may not run',
    call: 'execve',
    path: '/etc/passwd',
    errno: -13n,
    number: 59n,
    base: undefined,
  },
  {
    title: 'execveat of what is not there',
    call: 'execveat',
    path: '/etc/nothing',
    errno: -2n,
    number: 322n,
    base: '/etc',
  },
] as const) {
  kernelTest(`${title}: what was typed, the arguments and the errno`, async (t) => {
    const { events, stdout } = await openCapture(t).run(testProgram('exec'), [call, path, 'one', 'two'], {
      cwd: '/usr',
    });
    t.deepEqual(
      events.map(({ operation }) => operation),
      ['exec', 'exec', 'exit'],
      'and nothing else came',
    );
    const event = events[1];
    t.is(BigInt(stdout), errno);
    t.like(event, {
      returnValue: errno,
      syscall: number,
      pathSource: BigInt(eventPathSource.baseAndText),
      callerUid: 0n,
    });
    t.like(event?.strings, {
      typedPath: base === undefined ? path : 'nothing',
      arguments: block(path, 'one', 'two'),
      callerExecutable: testProgram('exec'),
      executable: testProgram('exec'),
      cwd: '/usr',
    });
    t.is(event?.strings.base, base);
  });
}
