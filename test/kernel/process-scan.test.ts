import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import readline from 'node:readline';
import test from 'ava';
import { openCapture, whyNoKernelTests } from '../support/kernel-capture.ts';
import { decodeBlock } from '../support/kernel-event.ts';

const reason = whyNoKernelTests();
const kernelTest = reason === undefined ? test.serial : test.serial.skip;
if (reason !== undefined) console.log(`skipped: ${reason}`);

kernelTest('the scan tells each living process once, and none that has ended and waits for its parent', async (t) => {
  // A shell that becomes a sleep never waits for the child that it started before: a zombie, for as long as it sleeps.
  const parent = spawn('/bin/sh', ['-c', '/bin/true & echo $!; exec sleep 60'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(async () => {
    const gone = once(parent, 'exit');
    parent.kill('SIGKILL');
    await gone;
  });
  const [line] = (await once(readline.createInterface({ input: parent.stdout }), 'line')) as [string];
  const zombie = Number(line);
  while (!/^State:\s+Z/mu.test(readFileSync(`/proc/${zombie}/status`, 'utf8'))) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  const capture = openCapture(t);
  const found = decodeBlock(capture.monitor.scanProcesses()).map(({ hostTgid }) => Number(hostTgid));
  t.is(found.filter((pid) => pid === parent.pid).length, 1);
  t.is(found.filter((pid) => pid === process.pid).length, 1);
  t.false(found.includes(zombie));
});
