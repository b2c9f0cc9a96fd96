import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { ownerOf } from '../../eventlog/ownership.ts';
import { databasePath, openForWriting } from '../../eventlog/sqlite-layout.ts';
import { eventually } from '../support/eventually.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

/** sqlite.org/pragma.html: 1 is NORMAL, 2 is FULL. */
for (const [durability, synchronous] of [
  ['group', 1],
  ['commit', 2],
] as const) {
  test(`durability ${durability}: SQLite has the settings that it stands for`, (t) => {
    const database = openForWriting(temporaryDirectory(t), durability);
    t.teardown(() => database.close());
    const settings = [
      'synchronous',
      'journal_mode',
      'page_size',
      'wal_autocheckpoint',
      'journal_size_limit',
      'busy_timeout',
    ];
    t.deepEqual(
      settings.map((name) => database.pragma(name, { simple: true })),
      [synchronous, 'wal', 16_384, 1024, 67_108_864, 5000],
    );
  });
}

const hasStrace = spawnSync('strace', ['-V']).status === 0;
if (!hasStrace) console.log('skipped: counting fsyncs needs strace (apt-get install strace)');
const straceTest = hasStrace ? test : test.skip;

straceTest('durability commit: each acknowledged append has been fsynced, as the kernel sees it', (t) => {
  const directory = temporaryDirectory(t);
  const trace = join(directory, 'trace');
  const script = fileURLToPath(new URL(`./append-child${extname(import.meta.url)}`, import.meta.url));
  const appends = 40;
  const syncs = (durability: string): number => {
    const log = join(directory, durability);
    const traced = ['-f', '-y', '-e', 'trace=fsync,fdatasync', '-o', trace];
    const command = [process.execPath, script, log, durability, String(appends)];
    const { status, stderr } = spawnSync('strace', [...traced, ...command], { encoding: 'utf8' });
    t.is(status, 0, stderr);
    return readFileSync(trace, 'utf8')
      .split('\n')
      .filter((line) => line.includes(`${databasePath(log)}-wal`) && /f(?:data)?sync\(/u.test(line)).length;
  };
  t.true(syncs('commit') >= appends);
  t.true(syncs('group') >= 1, 'and with group what was written last is fsynced at the end');
});

straceTest('durability group: what was appended is fsynced soon, also where nothing comes after it', async (t) => {
  const directory = temporaryDirectory(t);
  const trace = join(temporaryDirectory(t), 'trace');
  writeFileSync(trace, '');
  const script = fileURLToPath(new URL(`./hold-log${extname(import.meta.url)}`, import.meta.url));
  // SQLite's own are fsync.
  const traced = ['-f', '-y', '-e', 'trace=fdatasync', '-o', trace];
  const strace = spawn('strace', [...traced, process.execPath, script, directory], { stdio: 'ignore' });
  const ended = once(strace, 'close');
  try {
    await eventually(
      'it is fsynced',
      () => readFileSync(trace, 'utf8').includes(`${databasePath(directory)}-wal`) || undefined,
    );
    t.pass();
  } finally {
    const owner = ownerOf(directory);
    if (owner === undefined) strace.kill('SIGTERM');
    else process.kill(owner, 'SIGKILL');
    await ended;
  }
});

for (const [what, appends] of [
  ['while it is in use', 1_000_000],
  ['at its end', 1],
] as const) {
  straceTest(`a disk that takes no more when the log is fsynced ${what} ends the log: nobody tries again`, (t) => {
    const directory = temporaryDirectory(t);
    const script = fileURLToPath(new URL(`./append-child${extname(import.meta.url)}`, import.meta.url));
    // As file systems answer that put off finding room until then (fsync(2), ENOSPC).
    const traced = ['-f', '-o', '/dev/null', '-e', 'trace=fdatasync', '-e', 'inject=fdatasync:error=ENOSPC'];
    const command = [process.execPath, script, directory, 'group', String(appends)];
    const { status, stderr } = spawnSync('strace', [...traced, ...command], { encoding: 'utf8' });
    t.is(status, 1);
    t.regex(
      stderr,
      /what was written to the event log may not be on the disk: \S+events\.sqlite: ENOSPC.*start again/iu,
    );
    t.regex(stderr, /code: 'EVENT_LOG_FAILED'/u);
    t.regex(stderr, /retriable: false/u);
  });
}
