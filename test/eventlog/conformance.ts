import { setTimeout as delay } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import type { EventLog, InputBatch, LogRecord, OutputRecord } from '../../eventlog/event-log.ts';
import { consumed, partitionOf, until } from './consume.ts';
import { placesOf, readingConformance, type OrderPromise } from './reading-conformance.ts';
import { event, garbage, policy, recordsOf, textOf, textsOf } from './toy.ts';

/** Opens a log of its own for one test, empty; closed and removed when the test ends. */
export type OpenLog = (t: ExecutionContext) => Promise<EventLog>;

const never = new AbortController().signal;
const inputs = { topics: ['coverage'], tables: [] } as const;
const withTable = { topics: ['coverage'], tables: ['policies'] } as const;

/** What every EventLog does. An implementation is believed when this passes, and what its promises stand for. */
export function conformance(name: string, open: OpenLog, promise: OrderPromise): void {
  const behavior = (title: string, act: (t: ExecutionContext) => Promise<void>): void => {
    test(`${name}: ${title}`, act);
  };
  const openWith = async (t: ExecutionContext, appends: readonly (readonly OutputRecord[])[]): Promise<EventLog> => {
    const log = await open(t);
    for (const records of appends) await log.append(records);
    return log;
  };
  readingConformance(name, openWith, promise);

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

  behavior('a table change is in force for every input that was appended after it', async (t) => {
    const log = await open(t);
    const appended = [
      [policy('p', 'x')],
      [event('a', '1')],
      [policy('p', 'y'), policy('q', 'z')],
      [event('a', '2')],
      [policy('p', 'after all inputs')],
    ];
    for (const records of appended) await log.append(records);
    const records = await consumed(log, { group: 'g', ...withTable }, (batch) => batch.commit([]));
    const places = placesOf(records);
    const ofTable = places.filter((place) => place.startsWith('policies'));
    t.deepEqual(
      ofTable,
      ['policies 0', 'policies 1', 'policies 2', 'policies 3'].slice(0, ofTable.length),
      'each once',
    );
    t.deepEqual(
      places.filter((place) => place.startsWith('coverage')),
      ['coverage 0', 'coverage 1'],
    );
    t.true(places.indexOf('policies 0') < places.indexOf('coverage 0'));
    t.true(ofTable.length >= 3 && places.indexOf('policies 2') < places.indexOf('coverage 1'));
    if (promise.oneSequence) {
      t.deepEqual(
        places,
        ['policies 0', 'coverage 0', 'policies 1', 'policies 2', 'coverage 1'],
        'and for no earlier one',
      );
    }
  });

  behavior('a table change that comes while a group waits is in force for what is appended after it', async (t) => {
    const log = await open(t);
    const stop = new AbortController();
    const places: string[] = [];
    const consuming = log.consume({ group: 'g', ...withTable, signal: stop.signal }, async (partition) => {
      for await (const batch of partition.batches()) {
        places.push(...placesOf(batch.records));
        await batch.commit([]);
      }
    });
    for (let place = 0; place < 5; place++) {
      await log.append([policy('p', String(place))]);
      await log.append([event('a', String(place))]);
      await until(() => places.includes(`coverage ${place}`));
    }
    stop.abort();
    await consuming;
    t.deepEqual(
      places,
      [0, 1, 2, 3, 4].flatMap((place) => [`policies ${place}`, `coverage ${place}`]),
    );
  });

  behavior('a start brings the tables to where the predecessor had them, before the first input', async (t) => {
    const log = await open(t);
    await log.append([policy('p', 'x')]);
    await log.append([event('a', '1')]);
    await consumed(log, { group: 'g', ...withTable }, (batch) => batch.commit([]));
    await log.append([policy('p', 'y')]);
    await log.append([event('a', '2')]);
    let tablePositions = {};
    const batches: (readonly string[])[] = [];
    await partitionOf(log, { group: 'g', ...withTable }, async (partition) => {
      tablePositions = partition.tablePositions;
      for await (const batch of partition.batches()) batches.push(placesOf(batch.records));
    });
    t.deepEqual(tablePositions, { policies: 1 });
    t.deepEqual(batches, [['policies 0'], ['policies 1', 'coverage 1']]);
  });

  behavior('an input that carries table positions is preceded by exactly the changes below them', async (t) => {
    const log = await open(t);
    await log.append([policy('p', '0'), policy('p', '1'), policy('p', '2')]);
    for (const [place, policies] of [0, 2, 2, 3].entries()) {
      await log.append([event('a', '')]);
      await consumed(log, { group: 'first', ...inputs }, (batch) =>
        batch.commit([{ record: removedStatus(`status ${place}`), tablePositions: { policies } }]),
      );
    }
    const second = { group: 'second', topics: ['policy-status'], tables: ['policies'] } as const;
    const records = await consumed(log, second, (batch) => batch.commit([]));
    t.deepEqual(
      records.map(({ topic, offset, key }) => (topic === 'policies' ? `policies ${offset}` : key)),
      ['status 0', 'policies 0', 'policies 1', 'status 1', 'status 2', 'policies 2', 'status 3'],
    );
  });

  behavior('table positions that go back are refused, with what is wrong', async (t) => {
    const log = await open(t);
    await log.append([policy('p', '0'), event('a', ''), event('a', '')]);
    await consumed(log, { group: 'first', ...inputs }, (batch) =>
      batch.commit([1, 0].map((policies) => ({ record: removedStatus('x'), tablePositions: { policies } }))),
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
function removedStatus(key: string): OutputRecord {
  return { topic: 'policy-status', key, value: undefined };
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
