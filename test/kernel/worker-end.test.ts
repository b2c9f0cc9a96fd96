import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import process from 'node:process';
import test from 'ava';
import { pinDirectory, whyNoKernelTests } from '../support/kernel-capture.ts';

const reason = whyNoKernelTests();
const kernelTest = reason === undefined ? test.serial : test.serial.skip;
if (reason !== undefined) console.log(`skipped: ${reason}`);

// `npm run test:asan` does the same a thousand times, and watches the memory.
kernelTest(
  'a worker that is ended at any moment, also while it opens the monitor, does not take the process with it',
  (t) => {
    const rounds = join(import.meta.dirname, '../asan/rounds.js');
    const run = spawnSync(process.execPath, [rounds, pinDirectory(t), '12', '1'], { encoding: 'utf8' });
    t.is(run.status, 0, `${run.signal ?? ''} ${run.stderr}`);
    t.like(JSON.parse(run.stdout), { rounds: 12, ended: 11, endedOpening: 1 });
  },
);
