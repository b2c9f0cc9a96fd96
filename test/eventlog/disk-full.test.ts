import { join } from 'node:path';
import test from 'ava';
import { EmbeddedEventLog } from '../../eventlog/embedded.ts';
import { EventLogError } from '../../eventlog/errors.ts';
import type { OffsetRange } from '../../eventlog/event-log.ts';
import { runStages } from '../../eventlog/runner.ts';
import { databasePath } from '../../eventlog/sqlite-layout.ts';
import type { SinkStage, SourceStage } from '../../eventlog/stage.ts';
import { retry } from '../../runtime/retry.ts';
import { eventually, patienceMs } from '../support/eventually.ts';
import { smallDisk, whyNoSmallDisk } from '../support/small-disk.ts';
import { event, quietly, recordsOf, tagger, textOf, textsOf, unprepared } from './toy.ts';

const reason = whyNoSmallDisk();
if (reason !== undefined) console.log(`skipped: ${reason}`);
const diskTest = reason === undefined ? test : test.skip;

/** More than a flow needs that handles as many bytes as the room that is left. */
const diskBytes = 64 << 20;
const roomBytes = 3 << 20;

for (const durability of ['group', 'commit'] as const) {
  diskTest(
    `durability ${durability}: on a full disk appends are refused with path, free bytes and remedy, and go on when there is room`,
    async (t) => {
      const disk = smallDisk(t, diskBytes);
      const directory = join(disk.path, 'log');
      const log = await EmbeddedEventLog.open({ directory, durability });
      disk.fill(roomBytes);
      const acknowledged: string[] = [];
      const appendOne = async (): Promise<void> => {
        const text = `${acknowledged.length} ${'x'.repeat(50_000)}`;
        await log.append([event('a', text)]);
        acknowledged.push(text);
      };
      const error = await t.throwsAsync(
        async () => {
          // Far more than there is room for.
          for (let place = 0; place < 1000; place++) await appendOne();
        },
        { instanceOf: EventLogError },
      );
      t.is(error.code, 'DISK_FULL');
      t.true(error.retriable);
      t.is(error.path, databasePath(directory));
      t.true((error.freeBytes ?? Infinity) < roomBytes);
      t.regex(
        error.message,
        /^writing to the event log failed: the disk is full: \S+\/events\.sqlite cannot grow, \d+ bytes are free there\. Make room/u,
      );
      t.true(acknowledged.length > 10);
      t.deepEqual(await textsOf(log, ['coverage']), acknowledged, 'and what was acknowledged is readable meanwhile');
      disk.makeRoom();
      await appendOne();
      await log[Symbol.asyncDispose]();
      await using again = await EmbeddedEventLog.open({ directory, durability });
      t.deepEqual(await textsOf(again, ['coverage']), acknowledged);
    },
  );
}

diskTest('a flow whose disk fills up waits, loses nothing, doubles nothing, and goes on by itself', async (t) => {
  const disk = smallDisk(t, diskBytes);
  const directory = join(disk.path, 'log');
  await using log = await EmbeddedEventLog.open({ directory, retention: { checkEveryMs: 20 } });
  disk.fill(roomBytes);
  const count = 120;
  const full = new Set<string>();
  const noteFull = (error: unknown): void => {
    if (error instanceof EventLogError) full.add(error.code);
  };
  const numbers: SourceStage = {
    name: 'numbers',
    outputs: ['coverage'],
    run: async (into, signal) => {
      for (let number = 0; number < count && !signal.aborted; number++) {
        const record = event('a', `${number} ${'x'.repeat(60_000)}`);
        const waits = { firstDelayMs: 5, maxDelayMs: 50, maxAttempts: Infinity, signal, onRetry: noteFull };
        await retry(() => into.append([record]), waits);
      }
    },
  };
  const written = new Map<string, number>();
  const ranges: OffsetRange[] = [];
  const sink: SinkStage = {
    name: 'outside',
    input: 'workloads',
    prepare: unprepared((records, range) => {
      ranges.push(range);
      for (const record of records) written.set(textOf(record), (written.get(textOf(record)) ?? 0) + 1);
      return Promise.resolve();
    }),
  };
  const stop = new AbortController();
  const running = runStages([numbers, tagger, sink], log, { ...quietly(), drainMs: patienceMs }, stop.signal);
  await eventually('the disk is full', () => (full.size > 0 ? true : undefined));
  const before = written.size;
  t.true(before < count);
  disk.makeRoom();
  await eventually('everything is written outside', () => (written.size === count ? true : undefined));
  stop.abort();
  await running;
  t.deepEqual([...full], ['DISK_FULL']);
  const events = (await recordsOf(log, ['coverage'])).map(textOf);
  t.is(events.length, count);
  t.deepEqual(
    (await recordsOf(log, ['workloads'])).map(textOf),
    events.map((text, place) => `${place + 1} ${text} []`),
    'outputs, offsets and state moved together',
  );
  t.deepEqual([...written.values()], Array<number>(count).fill(1));
  t.deepEqual(
    ranges.slice(1).map(({ first }) => first),
    ranges.slice(0, -1).map(({ last }) => last + 1),
  );
});

diskTest('a log whose disk is full at the start is refused with that, and opens when there is room', async (t) => {
  const disk = smallDisk(t, 8 << 20);
  const directory = join(disk.path, 'log');
  disk.fill(0);
  t.is(disk.freeBytes(), 0);
  const error = await t.throwsAsync(EmbeddedEventLog.open({ directory }), { code: 'DISK_FULL' });
  t.regex(error.message, /the disk is full: .*, 0 bytes are free there/u);
  disk.makeRoom();
  await using log = await EmbeddedEventLog.open({ directory });
  await log.append([event('a', '1')]);
  t.deepEqual(await textsOf(log, ['coverage']), ['1']);
});
