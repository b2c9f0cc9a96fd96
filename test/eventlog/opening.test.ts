import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import Database from 'better-sqlite3';
import test from 'ava';
import { EmbeddedEventLog } from '../../eventlog/embedded.ts';
import { databasePath } from '../../eventlog/sqlite-layout.ts';
import { eventually } from '../support/eventually.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { event, textsOf } from './toy.ts';

test('a log whose lock for writing is held for a moment while it is opened is waited for', async (t) => {
  const directory = temporaryDirectory(t);
  {
    await using log = await EmbeddedEventLog.open({ directory });
    await log.append([event('a', '1')]);
  }
  // As any reader holds it that comes first after a kill and reads the WAL anew (SQLite, wal.c: walIndexReadHdr).
  using reader = { database: new Database(databasePath(directory)), [Symbol.dispose]: () => reader.database.close() };
  reader.database.exec('BEGIN IMMEDIATE');
  const opening = EmbeddedEventLog.open({ directory });
  opening.catch(() => undefined);
  await eventually('it is being opened', () => (existsSync(join(directory, 'owner.json')) ? true : undefined), 60_000);
  // Where the machine is so busy that nothing has been tried by then, less is shown, but nothing fails.
  await delay(300);
  reader.database.exec('COMMIT');
  await using log = await opening;
  await log.append([event('a', '2')]);
  t.deepEqual(await textsOf(log, ['coverage']), ['1', '2']);
});

test('the lock by which others see that the log is open is held once it is open', async (t) => {
  const directory = temporaryDirectory(t);
  await using log = await EmbeddedEventLog.open({ directory });
  await log.append([event('a', '1')]);
  // A line a lock, of this process among others: `1: POSIX  ADVISORY  READ 4711 fe:00:1234 ...` (proc_locks(5)).
  const held = readFileSync('/proc/locks', 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/u));
  const { ino } = statSync(databasePath(directory));
  const ours = held.filter(
    ([, kind, , , pid, file]) => kind === 'POSIX' && pid === String(process.pid) && file?.endsWith(`:${ino}`),
  );
  t.not(ours.length, 0);
});
