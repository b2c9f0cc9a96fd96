import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import { packageRoot } from '../../cli/package-root.ts';

const run = promisify(execFile);
const main = path.join(packageRoot(), 'dist/bench/main.js');

test('a name that is no benchmark is refused, and those that are ones are named', async (t) => {
  const error = await t.throwsAsync<Error & { code: number; stderr: string }>(
    run(process.execPath, [main, 'match', 'nope']),
  );
  t.is(error.code, 64);
  for (const name of ['ring', 'syscall', 'replay', 'match', 'latency', 'sink', 'restore', 'decode']) {
    t.regex(error.stderr, new RegExp(`\\b${name}\\b`, 'u'));
  }
});

test('a trial gives its measurements and nothing else on standard output', async (t) => {
  const { stdout } = await run(process.execPath, [main, '--trial', 'match', '100 rules, judged']);
  const measured = JSON.parse(stdout) as Record<string, unknown>;
  t.deepEqual(Object.keys(measured), ['actNs', 'compileMs', 'tableBytes']);
  for (const value of Object.values(measured)) t.true(typeof value === 'number' && value > 0);
});
