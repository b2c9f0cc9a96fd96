import { spawnSync } from 'node:child_process';
import path from 'node:path';
import process from 'node:process';
import test, { type ExecutionContext } from 'ava';
import { packageRoot } from '../../cli/package-root.ts';
import { chaosOptions, UsageError } from './options.ts';

const noSeed = (): number => {
  throw new Error('a seed was given');
};

test('a seed, a number of kills and JSON are taken as given', (t) => {
  const given = ['--seed', '7', '--kills', '1000', '--json'];
  t.deepEqual(chaosOptions(given, noSeed), { seed: 7, kills: 1000, json: true });
});

test('without options there are 50 kills, sentences, and a seed that was chosen', (t) => {
  t.deepEqual(
    chaosOptions([], () => 4711),
    { seed: 4711, kills: 50, json: false },
  );
});

function isRefused(t: ExecutionContext, given: readonly string[], message: RegExp): void {
  const error = t.throws(() => chaosOptions(given, () => 1), { instanceOf: UsageError, message });
  t.regex(error.message, /\nnpm run chaos -- \[--seed N\] \[--kills K\] \[--json\]$/u);
}

const kills = /^--kills must be a whole number from 1 to 100000 \(got /u;
const seed = /^--seed must be a whole number from 0 to 4294967295 \(got /u;
test('no kills', isRefused, ['--kills', '0'], kills);
test('a negative number of kills', isRefused, ['--kills=-3'], kills);
test('kills in words', isRefused, ['--kills', 'many'], kills);
test('more kills than a day has', isRefused, ['--kills', '100001'], kills);
test('half a kill', isRefused, ['--kills', '1.5'], kills);
test('a seed that is no number', isRefused, ['--seed', 'x'], seed);
test('a seed that is empty', isRefused, ['--seed', ''], seed);
test('a seed above 32 bits', isRefused, ['--seed', '4294967296'], seed);
test('a seed with an exponent', isRefused, ['--seed', '1e3'], seed);
test('a seed that is missing', isRefused, ['--seed'], /--seed/u);
test('an option that does not exist', isRefused, ['--kill', '3'], /--kill/u);
test('a word beside the options', isRefused, ['fast'], /fast/u);

test('the command says so in one line, without a stack, and ends with the code for usage', (t) => {
  const main = path.join(packageRoot(), 'dist/test/chaos/main.js');
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, '--kills', '0'], { encoding: 'utf8' });
  t.is(status, 64);
  t.is(stdout, '');
  t.regex(stderr, /^chaos: --kills must be .*\nnpm run chaos .*\n$/u);
});
