import { setTimeout as delay } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import type { AssignedPartition, ConsumeOptions, EventLog, InputBatch, LogRecord } from '../../eventlog/event-log.ts';
import type { Retention } from '../../eventlog/retention.ts';
import { readingConformance } from './reading-conformance.ts';
import { event, garbage, policy, recordsOf, removedPolicy, textOf, textsOf } from './toy.ts';

/** Opens a log of its own for one test, empty; closed and removed when the test ends. */
export type OpenLog = (t: ExecutionContext, retention?: Partial<Retention>) => Promise<EventLog>;

const never = new AbortController().signal;
const inputs = { topics: ['coverage'], tables: [] } as const;
const withTable = { topics: ['coverage'], tables: ['policies'] } as const;

/** What every EventLog does. An implementation is believed when this passes. */
export function conformance(name: string, open: OpenLog): void {
  const behavior = (title: string, act: (t: ExecutionContext) => Promise<void>): void => {
    test(`${name}: ${title}`, act);
  };
  readingConformance(name, async (t, appends) => {
    const log = await open(t);
    for (const records of appends) await log.append(records);
    return log;
  });

  behavior('of many callers at once, each one finds its records in its own order', async (t) => {
    const log = await open(t);
    const callers = Array.from({ length: 20 }, (_, caller) => `node ${caller}`);
    await Promise.all(
      callers.map(async (node) => {
        const appends = Array.from({ length: 20 }, (_, place) => log.append([event(node, String(place))]));
        await Promise.all(appends);
      }),
    );
    const records = await recordsOf(log, ['coverage']);
    t.is(records.length, 400);
    for (const node of callers) {
      const texts = records.filter(({ key }) => key === node).map(textOf);
      t.deepEqual(
        texts,
        Array.from({ length: 20 }, (_, place) => String(place)),
      );
    }
  });

  behavior('of one append either all records are there or none', async (t) => {
    const log = await open(t);
    const invalid = { topic: 'coverage', key: 'a', value: { reason: 1 } } as unknown as ReturnType<typeof event>;
    await t.throwsAsync(log.append([event('a', '1'), invalid]), { message: /coverage does not fit its schema/u });
    t.deepEqual(await textsOf(log, ['coverage']), []);
  });

  behavior('a value that is too large is refused with its size', async (t) => {
    const log = await open(t);
    const large = { topic: 'coverage', key: 'a', encodedValue: new Uint8Array(17 << 20) } as const;
    await t.throwsAsync(log.append([large]), { code: 'EVENT_LOG_FAILED', message: /17825802 bytes for coverage/u });
    t.deepEqual(await recordsOf(log, ['coverage']), []);
  });

  behavior('a reader that does not follow ends at what was there when it was called', async (t) => {
    const log = await open(t);
    await log.append([event('a', '1'), event('a', '2')]);
    const records = log.read({ topics: ['coverage'], from: 'start', follow: false, signal: never });
    await log.append([event('a', '3')]);
    const texts: string[] = [];
    for await (const record of records) texts.push(textOf(record));
    t.deepEqual(texts, ['1', '2']);
  });

  behavior('a reader may begin at an offset, or at the end, and follow until it is told to stop', async (t) => {
    const log = await open(t);
    await log.append([event('a', '1'), event('a', '2')]);
    const stop = new AbortController();
    const follow = { topics: ['coverage'], follow: true, signal: stop.signal } as const;
    const fromSecond = collect(log.read({ ...follow, from: new Map([['coverage', 1]]) }));
    const fromEnd = collect(log.read({ ...follow, from: 'end' }));
    await log.append([event('a', '3')]);
    await log.append([event('a', '4')]);
    await until(() => fromSecond.texts.length === 3 && fromEnd.texts.length === 2);
    stop.abort();
    await Promise.all([fromSecond.ended, fromEnd.ended]);
    t.deepEqual(fromSecond.texts, ['2', '3', '4']);
    t.deepEqual(fromEnd.texts, ['3', '4']);
  });

  behavior('a group continues after what it has committed; what it has not comes again', async (t) => {
    const log = await open(t);
    await log.append([event('a', '1')]);
    await consumed(log, { group: 'g', ...inputs }, async (batch) => {
      await batch.commit([]);
    });
    await log.append([event('a', '2')]);
    const uncommitted = await consumed(log, { group: 'g', ...inputs }, () => Promise.resolve());
    const again = await consumed(log, { group: 'g', ...inputs }, () => Promise.resolve());
    t.deepEqual(uncommitted.map(textOf), ['2']);
    t.deepEqual(again.map(textOf), ['2']);
  });

  behavior('groups do not see one another', async (t) => {
    const log = await open(t);
    await log.append([event('a', '1')]);
    for (const group of ['g', 'h']) {
      const records = await consumed(log, { group, ...inputs }, (batch) => batch.commit([]));
      t.deepEqual(records.map(textOf), ['1']);
    }
  });

  behavior('a commit publishes its outputs, stamped with the positions that were given', async (t) => {
    const log = await open(t);
    await log.append([event('a', '1')]);
    const tablePositions = { policies: 7 };
    await consumed(log, { group: 'g', ...inputs }, (batch) =>
      batch.commit([{ record: policy('p', 'x'), tablePositions }]),
    );
    const [record] = await recordsOf(log, ['policies']);
    t.deepEqual(record?.tablePositions, tablePositions);
  });

  behavior('a commit that cannot be written publishes nothing and commits nothing', async (t) => {
    const log = await open(t);
    await log.append([event('a', '1')]);
    const invalid = { topic: 'policies', key: 'p', value: {} } as unknown as ReturnType<typeof policy>;
    await consumed(log, { group: 'g', ...inputs }, async (batch) => {
      const outputs = [policy('p', 'x'), invalid].map((record) => ({ record, tablePositions: {} }));
      await t.throwsAsync(batch.commit(outputs));
    });
    t.deepEqual(await recordsOf(log, ['policies']), []);
    t.is((await consumed(log, { group: 'g', ...inputs }, (batch) => batch.commit([]))).length, 1);
  });

  behavior('a commit after the partition was given up is fenced', async (t) => {
    const log = await open(t);
    await log.append([event('a', '1')]);
    let kept: InputBatch | undefined;
    await consumed(log, { group: 'g', ...inputs }, (batch) => {
      kept = batch;
      return Promise.resolve();
    });
    await t.throwsAsync(async () => await kept?.commit([]), { code: 'FENCED' });
    t.is((await consumed(log, { group: 'g', ...inputs }, (batch) => batch.commit([]))).length, 1);
  });

  behavior('a second member of a group waits until the first has left', async (t) => {
    const log = await open(t);
    const first = new AbortController();
    const second = new AbortController();
    const order: string[] = [];
    const member = (name: string, stop: AbortController): Promise<void> =>
      log.consume({ group: 'g', ...inputs, signal: stop.signal }, async (partition) => {
        order.push(`${name} begins`);
        await aborted(partition.signal);
        order.push(`${name} ends`);
      });
    const firstEnded = member('first', first);
    await until(() => order.length === 1);
    const secondEnded = member('second', second);
    await log.append([event('a', '1')]);
    first.abort();
    await firstEnded;
    await until(() => order.length === 3);
    second.abort();
    await secondEnded;
    t.deepEqual(order, ['first begins', 'first ends', 'second begins', 'second ends']);
  });

  behavior('draining hands out what is there, also while more is being appended, and ends', async (t) => {
    const log = await open(t);
    await log.append([event('a', '1'), event('a', '2')]);
    const texts: string[] = [];
    const drain = AbortSignal.abort();
    await log.consume({ group: 'g', ...inputs, signal: never, drain }, async (partition) => {
      for await (const batch of partition.batches()) {
        texts.push(...batch.records.map(textOf));
        await log.append([event('a', 'later')]);
        await batch.commit([]);
      }
    });
    t.deepEqual(texts, ['1', '2']);
  });

  behavior('a batch ends near a megabyte and says how many records wait behind it', async (t) => {
    const log = await open(t);
    for (let place = 0; place < 4; place++) {
      await log.append(Array.from({ length: 8 }, () => event('a', 'x'.repeat(100_000))));
    }
    const batches: { records: number; waiting: number }[] = [];
    await consumed(log, { group: 'g', ...inputs }, async (batch) => {
      batches.push({ records: batch.records.length, waiting: batch.waiting });
      await batch.commit([]);
    });
    t.deepEqual(batches, [
      { records: 11, waiting: 21 },
      { records: 11, waiting: 10 },
      { records: 10, waiting: 0 },
    ]);
  });

  behavior('an intended range comes again as exactly that, whatever was appended since', async (t) => {
    const log = await open(t);
    await log.append([event('a', '1'), event('a', '2')]);
    await consumed(log, { group: 'sink', ...inputs }, async (batch) => {
      t.deepEqual(await batch.intend(), { topic: 'coverage', partition: 0, first: 0, last: 1 });
    });
    await log.append([event('a', '3')]);
    const batches: string[][] = [];
    await partitionOf(log, { group: 'sink', ...inputs }, async (partition) => {
      t.deepEqual(partition.intended, { topic: 'coverage', partition: 0, first: 0, last: 1 });
      for await (const batch of partition.batches()) {
        batches.push(batch.records.map(textOf));
        await batch.intend();
        await batch.commit([]);
      }
    });
    t.deepEqual(batches, [['1', '2'], ['3']]);
    await partitionOf(log, { group: 'sink', ...inputs }, (partition) => {
      t.is(partition.intended, undefined);
      return Promise.resolve();
    });
  });

  behavior('a table change takes effect among the inputs in the order of the log', async (t) => {
    const log = await open(t);
    await log.append([policy('p', 'x')]);
    await log.append([event('a', '1')]);
    await log.append([policy('p', 'y'), policy('q', 'z')]);
    await log.append([event('a', '2')]);
    await log.append([policy('p', 'after all inputs')]);
    const records = await consumed(log, { group: 'g', ...withTable }, (batch) => batch.commit([]));
    t.deepEqual(places(records), ['policies 0', 'coverage 0', 'policies 1', 'policies 2', 'coverage 1']);
  });

  behavior('a start brings the tables to where the predecessor had them, before the first input', async (t) => {
    const log = await open(t);
    await log.append([policy('p', 'x'), event('a', '1'), policy('p', 'y')]);
    await consumed(log, { group: 'g', ...withTable }, (batch) => batch.commit([]));
    await log.append([event('a', '2')]);
    let tablePositions = {};
    const batches: (readonly string[])[] = [];
    await partitionOf(log, { group: 'g', ...withTable }, async (partition) => {
      tablePositions = partition.tablePositions;
      for await (const batch of partition.batches()) batches.push(places(batch.records));
    });
    t.deepEqual(tablePositions, { policies: 1 });
    t.deepEqual(batches, [['policies 0'], ['policies 1', 'coverage 1']]);
  });

  behavior('an input that carries table positions is preceded by exactly the changes below them', async (t) => {
    const log = await open(t);
    await log.append([policy('p', '0'), policy('p', '1'), policy('p', '2')]);
    for (const policies of [0, 2, 2, 3]) {
      await log.append([event('a', '')]);
      await consumed(log, { group: 'first', ...inputs }, (batch) =>
        batch.commit([{ record: removedPolicyStatus, tablePositions: { policies } }]),
      );
    }
    const second = { group: 'second', topics: ['policy-status'], tables: ['policies'] } as const;
    const records = await consumed(log, second, (batch) => batch.commit([]));
    t.deepEqual(places(records), [
      'policy-status 0',
      'policies 0',
      'policies 1',
      'policy-status 1',
      'policy-status 2',
      'policies 2',
      'policy-status 3',
    ]);
  });

  behavior('table positions that go back are refused, with what is wrong', async (t) => {
    const log = await open(t);
    await log.append([policy('p', '0'), event('a', ''), event('a', '')]);
    await consumed(log, { group: 'first', ...inputs }, (batch) =>
      batch.commit([1, 0].map((policies) => ({ record: removedPolicyStatus, tablePositions: { policies } }))),
    );
    const second = { group: 'second', topics: ['policy-status'], tables: ['policies'] } as const;
    await t.throwsAsync(
      consumed(log, second, (batch) => batch.commit([])),
      { code: 'EVENT_LOG_FAILED', message: /policy-status offset 1 was judged with policies at 0/u },
    );
  });

  behavior('restoring gives the last record of each key, in the order of the log', async (t) => {
    const log = await open(t);
    await log.append([policy('p', 'x'), policy('q', 'y'), policy('p', 'z')]);
    const restored: LogRecord[] = [];
    await partitionOf(log, { group: 'g', ...inputs }, async (partition) => {
      for await (const record of partition.restore('policies')) restored.push(record);
    });
    t.deepEqual(
      restored.map(({ key, offset }) => `${key} ${offset}`),
      ['q 1', 'p 2'],
    );
  });

  behavior('a record that cannot be decoded names its place and holds up nobody', async (t) => {
    const log = await open(t);
    await log.append([event('a', '1'), garbage('a'), event('a', '2')]);
    const records = await recordsOf(log, ['coverage']);
    t.deepEqual(
      [records[0], records[2]].map((record) => record && textOf(record)),
      ['1', '2'],
    );
    const error = t.throws(() => records[1]?.value, { code: 'RECORD_UNREADABLE' });
    t.like(error, { topic: 'coverage', partition: 0, offset: 1 });
  });

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

  behavior('a closed log refuses further calls and ends those that follow', async (t) => {
    const log = await open(t);
    const following = collect(log.read({ topics: ['coverage'], from: 'start', follow: true, signal: never }));
    const consuming = log.consume({ group: 'g', ...inputs, signal: never }, async (partition) => {
      for await (const batch of partition.batches()) await batch.commit([]);
    });
    await delay(10);
    await log[Symbol.asyncDispose]();
    await Promise.all([following.ended, consuming]);
    await t.throwsAsync(log.append([event('a', '1')]), { code: 'EVENT_LOG_FAILED' });
    await t.throwsAsync(log.table('policies'), { code: 'EVENT_LOG_FAILED' });
    await log[Symbol.asyncDispose]();
  });
}

/** A record of a third topic, for its stamped positions alone. */
const removedPolicyStatus = { topic: 'policy-status', key: 'x', value: undefined } as const;

type Group = Omit<ConsumeOptions, 'signal' | 'drain'>;

/** Consumes what is there, as a member that then leaves. */
async function partitionOf(
  log: EventLog,
  group: Group,
  own: (partition: AssignedPartition) => Promise<void>,
): Promise<void> {
  await log.consume({ ...group, signal: never, drain: AbortSignal.abort() }, own);
}

/** All records of the batches that are there. */
async function consumed(
  log: EventLog,
  group: Group,
  handle: (batch: InputBatch) => Promise<void>,
): Promise<readonly LogRecord[]> {
  const records: LogRecord[] = [];
  await partitionOf(log, group, async (partition) => {
    for await (const batch of partition.batches()) {
      records.push(...batch.records);
      await handle(batch);
    }
  });
  return records;
}

function places(records: readonly LogRecord[]): readonly string[] {
  return records.map(({ topic, offset }) => `${topic} ${offset}`);
}

function collect(records: AsyncIterable<LogRecord>): {
  readonly texts: readonly string[];
  readonly ended: Promise<void>;
} {
  const texts: string[] = [];
  const ended = (async () => {
    for await (const record of records) texts.push(textOf(record));
  })();
  return { texts, ended };
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => {
      resolve();
    });
  });
}

/** Waits until it is so; a test that waits in vain runs into AVA's time limit, which names it. */
async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await delay(2);
}

async function untilAsync(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await delay(5);
}
