import test from 'ava';
import { openCapture, whyNoKernelTests } from '../support/kernel-capture.ts';
import { testProgram } from '../support/programs.ts';

const reason = whyNoKernelTests();
const kernelTest = reason === undefined ? test.serial : test.serial.skip;
if (reason !== undefined) console.log(`skipped: ${reason}`);

const cloneVm = 0x100n;

for (const { kind, flags } of [
  { kind: 'fork', flags: 0n },
  { kind: 'vfork', flags: cloneVm },
]) {
  kernelTest(`${kind} is told by the parent, with the child's pid, start time and flags`, async (t) => {
    const capture = openCapture(t);
    const { events, stdout, hostPid } = await capture.run(testProgram('fork'), [kind]);
    t.deepEqual(
      events.map(({ operation }) => operation),
      ['exec', 'fork', 'exit'],
      'and nothing else came',
    );
    const fork = events[1];
    t.like(fork, { childHostTgid: BigInt(stdout), flags, returnValue: 0n, syscall: -1n });
    const end = await capture.event(({ operation, hostTgid }) => operation === 'exit' && hostTgid === BigInt(stdout));
    t.like(end, { returnValue: 7n << 8n, hostPpid: BigInt(hostPid), startTimeNs: fork?.childStartTimeNs ?? -1n });
    t.is(end.parentStartTimeNs, events[0]?.startTimeNs ?? -1n);
    t.is(end.strings.executable, testProgram('fork'));
  });
}

kernelTest('a thread is no process: neither its start nor its end is told', async (t) => {
  const { events } = await openCapture(t).run(testProgram('fork'), ['thread']);
  t.deepEqual(
    events.map(({ operation }) => operation),
    ['exec', 'exit'],
  );
});

for (const { title, args, status } of [
  { title: 'exit carries the code as wait() has it', args: ['9'], status: 9n << 8n },
  { title: 'exit by a signal carries the signal', args: ['signal', '9'], status: 9n },
  {
    title: 'a process whose first thread ends early is told once, when its last thread ends',
    args: ['leader', '6'],
    status: 6n << 8n,
  },
]) {
  kernelTest(title, async (t) => {
    const { events, hostPid } = await openCapture(t).run(testProgram('exit'), args);
    t.deepEqual(
      events.map(({ operation }) => operation),
      ['exec', 'exit'],
      'and nothing else came',
    );
    t.like(events[1], { returnValue: status, hostTgid: BigInt(hostPid), startTimeNs: events[0]?.startTimeNs ?? -1n });
    t.is(events[1]?.strings.executable, testProgram('exit'));
  });
}
