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
