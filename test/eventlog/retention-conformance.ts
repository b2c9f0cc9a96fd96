import { setTimeout as delay } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import type { EventLog } from '../../eventlog/event-log.ts';
import type { Retention } from '../../eventlog/retention.ts';
import { consumed, partitionOf, untilAsync } from './consume.ts';
import { event, policy, recordsOf, removedPolicy, textsOf } from './toy.ts';

/** Opens a log of its own for one test, empty, that keeps so much; closed and removed when the test ends. */
export type OpenTrimmingLog = (t: ExecutionContext, retention: Partial<Retention>) => Promise<EventLog>;

const inputs = { topics: ['coverage'], tables: [] } as const;
const withTable = { topics: ['coverage'], tables: ['policies'] } as const;

/** What a log does that trims itself, as every one does that is not a broker's. */
export function retentionConformance(name: string, open: OpenTrimmingLog): void {
  const behavior = (title: string, act: (t: ExecutionContext) => Promise<void>): void => {
    test(`${name}: ${title}`, act);
  };

  behavior('retention by age removes old records, but never one that a group has not read', async (t) => {
    const log = await open(t, { ageMs: 0, checkEveryMs: 5 });
    await partitionOf(log, { group: 'g', ...inputs }, () => Promise.resolve());
    await log.append([event('a', '1'), event('a', '2')]);
    await delay(50);
    t.deepEqual(await textsOf(log, ['coverage']), ['1', '2']);
    await consumed(log, { group: 'g', ...inputs }, (batch) => batch.commit([]));
    await untilAsync(async () => (await textsOf(log, ['coverage'])).length === 0);
    await log.append([event('a', '3')]);
    const [record] = await recordsOf(log, ['coverage']);
    t.is(record?.offset, 2, 'an emptied topic goes on counting');
  });

  behavior('retention by size keeps the newest records', async (t) => {
    const log = await open(t, { bytes: 10_000, checkEveryMs: 5 });
    for (let place = 0; place < 200; place++) await log.append([event('a', `${place} ${'x'.repeat(200)}`)]);
    await untilAsync(async () => (await recordsOf(log, ['coverage'])).length < 60);
    await delay(30);
    const texts = await textsOf(log, ['coverage']);
    t.true(texts.length > 30 && texts.length < 60, `${texts.length} records of 230 bytes are left`);
    t.true(texts.at(-1)?.startsWith('199 '));
  });

  behavior('compaction keeps a replaced version until it was replaced long ago', async (t) => {
    const ageMs = 1500;
    const log = await open(t, { ageMs, checkEveryMs: 5 });
    await log.append([policy('p', 'x'), policy('q', 'stays')]);
    await delay(ageMs + 200);
    const replacedMs = performance.now();
    await log.append([policy('p', 'y')]);
    // The old version was in force until just now, however old it is. Clocks are read in steps of 10 ms.
    await untilAsync(async () => {
      const { length } = await recordsOf(log, ['policies']);
      t.true(length === 3 || performance.now() - replacedMs > ageMs - 20, `${length} records`);
      return length === 2;
    });
    t.is((await log.table('policies')).records.length, 2);
  });

  behavior('compaction removes a tombstone after all that it removed, and no group misses it', async (t) => {
    const log = await open(t, { ageMs: 0, checkEveryMs: 5 });
    await partitionOf(log, { group: 'g', ...withTable }, () => Promise.resolve());
    await log.append([policy('p', 'x'), removedPolicy('p'), policy('q', 'y')]);
    await delay(50);
    t.is((await recordsOf(log, ['policies'])).length, 3, 'the group has not read them');
    await log.append([event('a', '1')]);
    await consumed(log, { group: 'g', ...withTable }, (batch) => batch.commit([]));
    await untilAsync(async () => (await recordsOf(log, ['policies'])).length === 1);
    await partitionOf(log, { group: 'g', ...withTable }, (partition) => {
      t.deepEqual(partition.tablePositions, { policies: 3 }, 'positions outlive what they count');
      return Promise.resolve();
    });
  });
}
