import test, { type ExecutionContext } from 'ava';
import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { dataLayout, makeDataDirectory } from '../../cli/data-directory.ts';
import { packageRoot } from '../../cli/package-root.ts';
import { removableThings, removeData } from '../../cli/uninstall.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

interface Outcome {
  readonly code: number | null;
  readonly output: string;
  readonly errors: string;
}

function palisade(arguments_: readonly string[], environment: Readonly<Record<string, string>> = {}): Outcome {
  const main = path.join(packageRoot(), 'dist/cli/main.js');
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('PALISADE_'));
  const env = { ...Object.fromEntries(inherited), ...environment };
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...arguments_], { env, encoding: 'utf8' });
  return { code: status, output: stdout, errors: stderr };
}

function ends(t: ExecutionContext, arguments_: readonly string[], code: number, errors: RegExp): void {
  const outcome = palisade(arguments_);
  t.is(outcome.code, code);
  t.regex(outcome.errors, errors);
  t.notRegex(outcome.errors, /^\s+at /mu, 'a stack trace is no message for a person');
}

test('an unknown command ends with 64 and the nearest one', ends, ['dmeo'], 64, /Did you mean demo\?/u);
test(
  'an unknown flag ends with 64 and the nearest one',
  ends,
  ['up', '--ring-szie', '8MiB'],
  64,
  /Did you mean --ring-size\?/u,
);
test('sql without a query ends with 64', ends, ['sql'], 64, /missing required argument 'query'/u);
test(
  'an invalid setting ends with 78 and says which',
  ends,
  ['doctor', '--ring-size', '8'],
  78,
  /--ring-size: ringSize must be a size/u,
);

test('a span that ends before it begins ends with 64', ends, ['loss', '--from', '5m', '--to', '2h'], 64, /--from/u);
test(
  'a replay into a file and a database ends with 64',
  ends,
  ['replay', 'x.avro', '--out', 'x.jsonl', '--database', 'x'],
  64,
  /cannot be used with/u,
);
test('a severity that is none ends with 64', ends, ['alerts', '--severity', '11'], 64, /from 1 to 10/u);
test('a time that is none ends with 64 and says what is', ends, ['loss', '--from', 'noon'], 64, /15m/u);

/** Values that an option refuses, in one line with the option, the value, and what it takes. */
const refused: readonly (readonly [command: string, option: string, values: readonly string[], takes: RegExp])[] = [
  ['alerts', '--severity', ['', '-1', '0', '1.5', '5 ', '11', 'NaN', '9'.repeat(30)], /whole number from 1 to 10\./u],
  ['alerts', '--limit', ['', '-1', '0', '100001', 'NaN', '1e3'], /whole number from 1 to 100000\./u],
  ['alerts', '--since', ['', '-5m', '5x', '15', 'NaN', '2026-02-30'], /how long ago/u],
  ['alerts', '--until', ['', '-5m'], /how long ago/u],
  ['alerts', '--since', ['9999-12-31', '999999999d'], /from 1970 to 2261/u],
  ['alerts', '--operation', ['', 'Syscalls'], /Give Process, File or Network\.$/mu],
  ['alerts', '--operation', ['Fil', 'files'], /Did you mean File\?$/mu],
  ['alerts', '--action', ['', 'Allow'], /Give Block, Audit or Audit \(Block\)\.$/mu],
  ['alerts', '--action', ['Audit (Blok)'], /Did you mean Audit \(Block\)\?$/mu],
  ...(['--policy', '--namespace', '--container', '--node'] as const).map(
    (option) => ['alerts', option, [''], /a name that is not empty/u] as const,
  ),
  ['loss', '--from', ['', '-5m', 'NaN', '5 m'], /how long ago/u],
  ['loss', '--to', ['9999-12-31'], /from 1970 to 2261/u],
  ['loss', '--node', [''], /a name that is not empty/u],
  ['record', '--output', [''], /the name of a file/u],
  ['doctor', '--config', [''], /the name of a file/u],
];
for (const [command, option, values, takes] of refused) {
  for (const value of values) {
    test(`${command} refuses ${JSON.stringify(value)} for ${option}, and says what it takes`, (t) => {
      const { code, output, errors } = palisade([command, option, value]);
      t.deepEqual([code, output], [64, '']);
      t.regex(errors, /^[^\n]+\n$/u, 'one line');
      t.true(errors.includes(`${option} <`) && errors.includes(`argument '${value}' is invalid`), errors);
      t.regex(errors, takes);
    });
  }
}

const badSettings: readonly (readonly [option: string, values: readonly string[], takes: RegExp])[] = [
  ['--for', ['', '0s', '-1s', '25d', '5', '5x', 'NaN'], /a duration with ms, s, m, h or d, 1ms to 24d/u],
  ['--ring-size', ['', '-8MiB', '8MB', '7MiB', '999999999GiB', 'NaN'], /a size with|a power of two/u],
  ['--data-directory', ['', 'relative'], /an absolute path/u],
  ['--pin-directory', ['', 'relative'], /an absolute path/u],
  ['--node-id', ['', 'a b', 'x'.repeat(64)], /1 to 63 letters/u],
  ['--durability', ['', 'none'], /group or commit/u],
  ['--policies', [''], /files or folders/u],
];
for (const [option, values, takes] of badSettings) {
  for (const value of values) {
    test(`record refuses ${JSON.stringify(value)} for ${option}, and says what it takes`, (t) => {
      const file = path.join(temporaryDirectory(t), 'x.avro');
      const { code, output, errors } = palisade(['record', '-o', file, '--from-log', option, value]);
      t.deepEqual([code, output, existsSync(file)], [78, '', false]);
      t.regex(errors, /^[^\n]+\n$/u, 'one line');
      t.true(errors.startsWith(`palisade: flag ${option}: `) && errors.includes(JSON.stringify(value)), errors);
      t.regex(errors, takes);
    });
  }
}

test(
  'a span that would end, by default, before it begins ends with 64',
  ends,
  ['loss', '--from', '1s'],
  64,
  /--from must be before --to, which is ten seconds ago where it is not given/u,
);
test(
  'alerts of a span that ends before it begins end with 64',
  ends,
  ['alerts', '--since', '5m', '--until', '2h'],
  64,
  /--since must be before --until/u,
);
test(
  'to wait for alerts of a time that is over ends with 64',
  ends,
  ['alerts', '-f', '--until', '5m'],
  64,
  /--until must be a time to come/u,
);

test('help of replay says what it does with policies, and that of the others what they are', (t) => {
  const help = (command: string): string => palisade([command, '--help']).output.replace(/\s+/gu, ' ');
  t.regex(help('replay'), /--policies <path...> [^-]*instead of the recorded ones/u);
  t.notRegex(help('replay'), /watched while running/u);
  t.regex(help('up'), /--policies <path...> [^-]*watched while running/u);
});

test('help lists the commands and how to start', (t) => {
  const { code, output } = palisade(['--help']);
  t.is(code, 0);
  for (const command of ['up', 'demo', 'sql', 'alerts', 'policy', 'loss', 'doctor', 'uninstall'])
    t.regex(output, new RegExp(`^  ${command} `, 'mu'));
  t.regex(output, /Start with:/u);
});

test('doctor prints one object for machines, whose verdict its exit code repeats', (t) => {
  const folder = temporaryDirectory(t);
  const { code, output } = palisade(['doctor', '--json', '--data-directory', folder]);
  const report = JSON.parse(output) as {
    live: boolean;
    host: { name: string; holds: boolean; detail: string }[];
    facts: { name: string; state: string; needed: boolean; follows: string; remedy: string }[];
    made: unknown[];
  };
  t.is(code, report.live ? 0 : 69);
  t.is(
    report.live,
    report.host.every((check) => check.holds) && report.facts.every((fact) => !fact.needed || fact.state === 'yes'),
  );
  t.is(report.made.length, 3);
});

test('removing the data leaves what is not ours', async (t) => {
  const folder = temporaryDirectory(t);
  const layout = dataLayout(folder);
  await makeDataDirectory(layout);
  writeFileSync(layout.nodeId, 'node-1\n');
  writeFileSync(path.join(folder, 'letter.txt'), 'mine\n');
  t.false(await removeData(layout));
  t.deepEqual(readdirSync(folder), ['letter.txt']);
});

test('removing the data removes the folder where nothing else is in it', async (t) => {
  const folder = temporaryDirectory(t);
  await makeDataDirectory(dataLayout(folder));
  t.true(await removeData(dataLayout(folder)));
  t.false(existsSync(folder));
});

test('a folder that is writable for others is no data directory, and is left as it is', async (t) => {
  const folder = temporaryDirectory(t);
  chmodSync(folder, 0o1777);
  await t.throwsAsync(makeDataDirectory(dataLayout(folder)), {
    code: 'CONFIG_INVALID',
    message: /writable by others/u,
  });
  t.deepEqual([statSync(folder).mode & 0o7777, readdirSync(folder)], [0o1777, []]);
});

const asRoot = process.getuid?.() === 0 ? test : test.skip;

asRoot('a folder of another user is no data directory (needs root to make one)', async (t) => {
  const folder = temporaryDirectory(t);
  chownSync(folder, 65534, 65534);
  await t.throwsAsync(makeDataDirectory(dataLayout(folder)), { message: /belongs to another user/u });
});

test('a folder that holds something else keeps its mode', async (t) => {
  const folder = temporaryDirectory(t);
  writeFileSync(path.join(folder, 'letter.txt'), 'mine\n');
  await makeDataDirectory(dataLayout(folder));
  t.is(statSync(folder).mode & 0o777, 0o700);
});

asRoot(
  'what belongs to the user of the engine is removed with its rights, not with those of root (needs root)',
  async (t) => {
    const folder = temporaryDirectory(t);
    const layout = dataLayout(folder);
    await makeDataDirectory(layout);
    mkdirSync(path.join(layout.engine, 'data/theirs'), { recursive: true });
    for (const part of [layout.engine, path.join(layout.engine, 'data')]) chownSync(part, 65534, 65534);
    // A folder of root's that got in there: only somebody with root's rights could empty it.
    writeFileSync(path.join(layout.engine, 'data/theirs/file'), '');
    await t.throwsAsync(removeData(layout), { message: /Permission denied/u });
    t.true(existsSync(path.join(layout.engine, 'data/theirs/file')));
  },
);

test('uninstall takes nothing that is no pin of ours for one', (t) => {
  const folder = temporaryDirectory(t);
  writeFileSync(path.join(folder, 'containers'), 'mine\n');
  const report = palisade(['doctor', '--json', '--data-directory', `${folder}-none`, '--pin-directory', folder]);
  const { made } = JSON.parse(report.output) as { made: { kind: string; exists: boolean }[] };
  t.is(made.find(({ kind }) => kind === 'pins')?.exists, false);
});

test('what the system refuses is one line with the call and the path', (t) => {
  const file = path.join(temporaryDirectory(t), 'file');
  writeFileSync(file, '');
  const { code, errors } = palisade(['sql', 'SELECT 1', '--data-directory', path.join(file, 'data')]);
  t.is(code, 1);
  t.regex(errors, /^palisade: ENOTDIR: not a directory, \S+ '.*\/file\/data.*'\n$/u);
});

test('without root uninstall leaves alone what only root can have made', (t) => {
  const made = (['pins', 'data', 'user'] as const).map((kind) => ({ kind, name: kind, exists: true, detail: '' }));
  const kinds = (isRoot: boolean): string[] => removableThings(made, isRoot).map(({ kind }) => kind);
  t.deepEqual(kinds(false), ['data']);
  t.deepEqual(kinds(true), ['pins', 'data', 'user']);
});

test('a reader that has seen enough is no error', (t) => {
  const main = path.join(packageRoot(), 'dist/cli/main.js');
  const { stderr } = spawnSync('sh', ['-c', '"$0" "$1" doctor | true', process.execPath, main], { encoding: 'utf8' });
  t.is(stderr, '');
});
