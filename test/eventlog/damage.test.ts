import { copyFileSync, existsSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import Database from 'better-sqlite3';
import { appendThrough, EmbeddedEventLog } from '../../eventlog/embedded.ts';
import type { EventLogError } from '../../eventlog/errors.ts';
import { databasePath } from '../../eventlog/sqlite-layout.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { eventually } from '../support/eventually.ts';
import { event, policy, textOf, textsOf } from './toy.ts';

/** A log that was closed, with some pages of everything. */
async function closedLog(t: ExecutionContext): Promise<string> {
  const directory = temporaryDirectory(t);
  await using log = await EmbeddedEventLog.open({ directory });
  for (let place = 0; place < 20; place++)
    await log.append([event('a', `${place} ${'x'.repeat(20_000)}`), policy('p', 'x')]);
  return directory;
}

/** A log as a killed process leaves it: what it wrote is in the WAL alone. */
async function killedLog(t: ExecutionContext): Promise<string> {
  const directory = temporaryDirectory(t);
  const killed = temporaryDirectory(t);
  {
    await using log = await EmbeddedEventLog.open({ directory });
    await log.append([event('a', 'folded')]);
  }
  await using log = await EmbeddedEventLog.open({ directory });
  for (const text of ['second', 'third']) await log.append([event('a', text)]);
  for (const file of readdirSync(directory)) copyFileSync(join(directory, file), join(killed, file));
  // The lock is the kernel's and does not survive; the name does, and says who it was.
  t.true(existsSync(join(killed, 'owner.json')));
  return killed;
}

function contentOf(directory: string): ReadonlyMap<string, string> {
  const names = readdirSync(directory).filter((name) => !name.startsWith('owner.'));
  return new Map(names.map((name) => [name, readFileSync(join(directory, name)).toString('base64')]));
}

async function refusal(directory: string): Promise<EventLogError> {
  try {
    await using log = await EmbeddedEventLog.open({ directory });
    await log.append([event('a', 'after')]);
    await textsOf(log, ['coverage', 'policies']);
  } catch (error) {
    return error as EventLogError;
  }
  throw new Error('it was opened, read and written');
}

const damages: readonly [string, (path: string) => void, RegExp][] = [
  [
    'that is none',
    (path) => {
      writeFileSync(path, 'these are not the bytes of a database, and long enough to be looked at: '.repeat(2));
    },
    /its first bytes are not those of a database/u,
  ],
  [
    'cut within its header',
    (path) => {
      truncateSync(path, 60);
    },
    /its first bytes are not those of a database/u,
  ],
  [
    'cut at the end of a page',
    (path) => {
      truncateSync(path, 8 * 16384);
    },
    /database disk image is malformed \(SQLITE_CORRUPT\)/u,
  ],
  [
    'cut within a page',
    (path) => {
      truncateSync(path, 8 * 16384 + 100);
    },
    /database disk image is malformed \(SQLITE_CORRUPT\)/u,
  ],
  [
    'with a damaged schema',
    (path) => {
      const bytes = readFileSync(path);
      bytes.fill(0xff, 100, 300);
      writeFileSync(path, bytes);
    },
    /database disk image is malformed/u,
  ],
];
for (const [what, damage, message] of damages) {
  test(`a log's file ${what} is refused with what was found and what to do, and left as it is`, async (t) => {
    const directory = await closedLog(t);
    const path = databasePath(directory);
    damage(path);
    const before = contentOf(directory);
    const error = await refusal(directory);
    t.is(error.code, 'EVENT_LOG_DAMAGED');
    t.is(error.path, path);
    t.false(error.retriable);
    t.regex(error.message, message);
    t.true(error.message.includes(`the event log ${path} is damaged: `));
    t.regex(error.message, /Palisade leaves it as it is\. `palisade record --from-log` saves what can be read/u);
    t.deepEqual(contentOf(directory), before);
    t.throws(() => EmbeddedEventLog.openReadOnly({ directory }), { code: 'EVENT_LOG_DAMAGED' });
  });
}

test('a page that is damaged in the midst of a log is told to who comes to it, and what stands elsewhere is read', async (t) => {
  const directory = await closedLog(t);
  const path = databasePath(directory);
  damageLeaf(path, 'policies/0');
  // Retention would come to it, too: that is the next test.
  await using log = await EmbeddedEventLog.open({ directory, retention: { checkEveryMs: 2 ** 30 } });
  t.is((await textsOf(log, ['coverage'])).length, 20);
  const error = await t.throwsAsync(textsOf(log, ['policies']), { code: 'EVENT_LOG_DAMAGED' });
  t.regex(error.message, /^reading the event log failed: the event log \S+ is damaged: .*SQLITE_CORRUPT/u);
  const refused = await t.throwsAsync(log.append([policy('p', 'z')]), { code: 'EVENT_LOG_DAMAGED' });
  t.regex(refused.message, /^writing to the event log failed: the event log \S+ is damaged: /u);
});

test('retention that comes to a damaged page ends the log: whoever appends gets to know', async (t) => {
  const directory = await closedLog(t);
  damageLeaf(databasePath(directory), 'policies/0');
  await using log = await EmbeddedEventLog.open({ directory, retention: { checkEveryMs: 5 } });
  const error = await eventually('it has come to it', async () => {
    try {
      await log.append([event('a', 'more')]);
      return undefined;
    } catch (thrown) {
      return thrown as EventLogError;
    }
  });
  t.is(error.code, 'EVENT_LOG_DAMAGED');
  t.regex(error.message, /^trimming the event log failed: the event log \S+ is damaged: /u);
});

test('a log that has ended refuses a new way to append to it, and who has one is told', async (t) => {
  const directory = await closedLog(t);
  damageLeaf(databasePath(directory), 'policies/0');
  const log = await EmbeddedEventLog.open({ directory, retention: { checkEveryMs: 1 } });
  await eventually('it has ended', () =>
    log.append([event('a', 'more')]).then(
      () => undefined,
      (error: unknown) => error as EventLogError,
    ),
  );
  // The writer tells first and ends then: a port may be given while it ends, or afterwards.
  for (let place = 0; place < 20; place++) {
    await using appender = appendThrough(log.createAppendPort());
    await t.throwsAsync(appender.append([event('a', 'late')]), { code: 'EVENT_LOG_FAILED' });
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await log[Symbol.asyncDispose]();
});

test('of a topic with a damaged page all that stands before it is read', async (t) => {
  const directory = await closedLog(t);
  const path = databasePath(directory);
  const bytes = readFileSync(path);
  // A value lies in pages of its own: the page that the tenth one begins in leads to the next one.
  const place = bytes.indexOf(`10 ${'x'.repeat(100)}`);
  const page = Math.floor(place / 16384) * 16384;
  bytes.fill(0xff, page, page + 100);
  writeFileSync(path, bytes);
  await using log = EmbeddedEventLog.openReadOnly({ directory });
  const read: string[] = [];
  const signal = new AbortController().signal;
  await t.throwsAsync(
    async () => {
      for await (const record of log.read({ topics: ['coverage'], from: 'start', follow: false, signal }))
        read.push(textOf(record).slice(0, 2).trim());
    },
    { code: 'EVENT_LOG_DAMAGED' },
  );
  t.true(read.length > 0);
  t.deepEqual(
    read,
    Array.from({ length: read.length }, (_, number) => String(number)),
  );
});

/** Overwrites the first page of a table's tree. */
function damageLeaf(path: string, table: string): void {
  const database = new Database(path, { readonly: true });
  const pageSize = database.pragma('page_size', { simple: true }) as number;
  const root = database
    .prepare<[string], number>('SELECT rootpage FROM sqlite_schema WHERE name = ?')
    .pluck()
    .get(table);
  database.close();
  const bytes = readFileSync(path);
  bytes.fill(0xff, ((root ?? 0) - 1) * pageSize, ((root ?? 0) - 1) * pageSize + 100);
  writeFileSync(path, bytes);
}

test('an emptied file beside what was to be written into it is refused, and both are left', async (t) => {
  const directory = await killedLog(t);
  const path = databasePath(directory);
  truncateSync(path, 0);
  const before = contentOf(directory);
  const error = await refusal(directory);
  t.is(error.code, 'EVENT_LOG_DAMAGED');
  t.regex(error.message, /it is empty, and what was to be written into it is still beside it/u);
  t.deepEqual(contentOf(directory), before, 'SQLite alone would have deleted the WAL');
});

test('after a kill, all that was acknowledged is there, and nothing is to be told', async (t) => {
  const directory = await killedLog(t);
  await using log = await EmbeddedEventLog.open({ directory });
  t.deepEqual(await textsOf(log, ['coverage']), ['folded', 'second', 'third']);
  t.deepEqual(log.notices, []);
});

test('a WAL that was deleted after a kill is told; what was folded into the file before is there', async (t) => {
  const directory = await killedLog(t);
  rmSync(`${databasePath(directory)}-wal`);
  {
    await using log = await EmbeddedEventLog.open({ directory });
    t.deepEqual(await textsOf(log, ['coverage']), ['folded']);
    t.is(log.notices.length, 1);
    t.regex(
      log.notices[0] ?? '',
      /was not closed at the end of the last run, and events\.sqlite-wal, .* is not there/u,
    );
    await log.append([event('a', 'after')]);
  }
  await using log = await EmbeddedEventLog.open({ directory });
  t.deepEqual(log.notices, [], 'once');
  t.deepEqual(await textsOf(log, ['coverage']), ['folded', 'after']);
});

test('a WAL that is cut, wherever, leaves whole transactions from the beginning', async (t) => {
  const killed = await killedLog(t);
  const wal = readFileSync(`${databasePath(killed)}-wal`);
  const all = ['folded', 'second', 'third'];
  let most = 0;
  for (let length = 0; length <= wal.length; length += 4099) {
    const directory = temporaryDirectory(t);
    copyFileSync(databasePath(killed), databasePath(directory));
    writeFileSync(`${databasePath(directory)}-wal`, wal.subarray(0, length));
    await using log = await EmbeddedEventLog.open({ directory });
    const texts = await textsOf(log, ['coverage']);
    t.deepEqual(texts, all.slice(0, texts.length));
    t.true(texts.length >= most, 'more bytes never give fewer records');
    most = texts.length;
    await log.append([event('a', 'after')]);
    t.deepEqual(await textsOf(log, ['coverage']), [...texts, 'after']);
  }
  t.true(most > 1);
});

for (const name of ['owner.json', 'owner.lock', 'owner.lock-journal']) {
  test(`an empty ${name}, as a machine that stopped may leave it, keeps nobody from the log`, async (t) => {
    const directory = await closedLog(t);
    writeFileSync(join(directory, name), '');
    await using log = await EmbeddedEventLog.open({ directory });
    t.is((await textsOf(log, ['coverage'])).length, 20);
  });
}

test('a lock file with something in it is refused with what to do', async (t) => {
  const directory = await closedLog(t);
  writeFileSync(join(directory, 'owner.lock'), 'not a database, which an empty file is: '.repeat(40));
  const error = await refusal(directory);
  t.is(error.code, 'EVENT_LOG_FAILED');
  t.regex(error.message, /owner\.lock should be empty and is not: remove that file/u);
});
