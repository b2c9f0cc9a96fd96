import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { processStartTicks } from '../../runtime/process-start.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

test('a process has a start time, the same each time, whatever its name is', async (t) => {
  // In /proc/PID/stat the name stands in parentheses, as it is.
  const program = join(temporaryDirectory(t), ') R 1 (x)');
  copyFileSync('/bin/sleep', program);
  const child = spawn(program, ['600']);
  t.teardown(() => child.kill('SIGKILL'));
  await once(child, 'spawn');
  const ticks = processStartTicks(child.pid ?? 0);
  t.is(typeof ticks, 'bigint');
  t.is(processStartTicks(child.pid ?? 0), ticks);
  t.true((ticks ?? 0n) >= (processStartTicks(process.pid) ?? 0n), 'a child is not older than its parent');
  const uptimeTicks = Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]) * 100;
  t.true(Number(ticks) <= uptimeTicks + 1, 'clock ticks, of which there are a hundred in a second');
});

test('a process that has ended has none', async (t) => {
  const child = spawn('/bin/true');
  await once(child, 'exit');
  t.is(processStartTicks(child.pid ?? 0), undefined);
});
