import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import readline from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { openCapture, whyNoKernelTests } from '../support/kernel-capture.ts';
import { decodeBlock } from '../support/kernel-event.ts';

const reason = whyNoKernelTests();
const kernelTest = reason === undefined ? test.serial : test.serial.skip;
if (reason !== undefined) console.log(`skipped: ${reason}`);

async function fileMatches(path: string, pattern: RegExp): Promise<void> {
  while (!pattern.test(readFileSync(path, 'utf8'))) await sleep(10);
}

kernelTest('the scan tells each living process once, and none that has ended and waits for its parent', async (t) => {
  // A sleep never waits for a child that it has from the shell it was: one that ends then is a zombie for as long as the
  // sleep lasts. The child ends only once the shell is gone, since a shell may collect what ends before.
  const parent = spawn('/bin/sh', ['-c', 'head -c 1 <&3 >/dev/null & echo $!; exec sleep 60'], {
    stdio: ['ignore', 'pipe', 'inherit', 'pipe'],
  }) as ChildProcessByStdio<null, Readable, null>;
  t.teardown(async () => {
    const gone = once(parent, 'exit');
    parent.kill('SIGKILL');
    await gone;
  });
  const [line] = (await once(readline.createInterface({ input: parent.stdout }), 'line')) as [string];
  const zombie = Number(line);
  await fileMatches(`/proc/${parent.pid}/comm`, /^sleep$/mu);
  (parent.stdio[3] as Writable).end('x');
  await fileMatches(`/proc/${zombie}/status`, /^State:\s+Z/mu);
  const capture = openCapture(t);
  const found = decodeBlock(capture.monitor.scanProcesses()).map(({ hostTgid }) => Number(hostTgid));
  t.is(found.filter((pid) => pid === parent.pid).length, 1);
  t.is(found.filter((pid) => pid === process.pid).length, 1);
  t.false(found.includes(zombie));
});
