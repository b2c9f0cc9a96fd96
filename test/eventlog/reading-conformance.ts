import test, { type ExecutionContext } from 'ava';
import type { EventLog, LogRecord, OutputRecord } from '../../eventlog/event-log.ts';
import { event, policy, recordsOf, removedPolicy, textOf } from './toy.ts';

/** Opens a log in which these records are, one append after the other; closed and removed when the test ends. */
export type OpenReading = (
  t: ExecutionContext,
  appends: readonly (readonly OutputRecord[])[],
) => Promise<Pick<EventLog, 'read' | 'table'>>;

const never = new AbortController().signal;

/** What a log promises beyond what every log does. Each answer has tests of its own. */
export interface OrderPromise {
  /**
   * Whether all topics have one order, that of the appends. Without it each partition has one, and of what is appended to
   * several only this holds: what was appended before is found by whoever has seen what was appended after.
   */
  readonly oneSequence: boolean;
}

/** What the reading half of every log does, also of one to which nothing can be appended. */
export function readingConformance(name: string, open: OpenReading, { oneSequence }: OrderPromise): void {
  const behavior = (title: string, act: (t: ExecutionContext) => Promise<void>): void => {
    test(`${name}: ${title}`, act);
  };

  behavior('what was appended is read back, in order, with its key', async (t) => {
    const log = await open(t, [[event('a', '1'), event('b', '2')], [event('a', '3')]]);
    const records = await recordsOf(log, ['coverage']);
    t.deepEqual(records.map(textOf), ['1', '2', '3']);
    t.deepEqual(
      records.map(({ key, offset, partition, tablePositions }) => ({ key, offset, partition, tablePositions })),
      ['a', 'b', 'a'].map((key, offset) => ({ key, offset, partition: 0, tablePositions: {} })),
    );
    t.true(Math.abs((records[0]?.timestampMs ?? 0) - Date.now()) < 60_000);
  });

  behavior('several topics are read together, each in its order', async (t) => {
    const log = await open(t, [
      [event('a', '1')],
      [policy('p', 'x')],
      [event('a', '2'), policy('q', 'y'), event('a', '3')],
    ]);
    const places = placesOf(await recordsOf(log, ['policies', 'coverage']));
    const written = ['coverage 0', 'policies 0', 'coverage 1', 'policies 1', 'coverage 2'];
    if (oneSequence) t.deepEqual(places, written, 'and in the order in which they were written');
    for (const topic of ['coverage', 'policies']) {
      const ofTopic = (all: readonly string[]): readonly string[] => all.filter((place) => place.startsWith(topic));
      t.deepEqual(ofTopic(places), ofTopic(written));
    }
    t.is(places.length, written.length);
    t.is((await recordsOf(log, ['policies'])).length, 2, 'and apart');
  });

  behavior('a reader may begin at an offset of a topic, and has the others whole', async (t) => {
    const log = await open(t, [[event('a', '1'), policy('p', 'x'), event('a', '2'), event('a', '3')]]);
    const from = new Map([['coverage' as const, 1]]);
    const read: LogRecord[] = [];
    for await (const record of log.read({ topics: ['coverage', 'policies'], from, follow: false, signal: never })) {
      read.push(record);
    }
    const expected = ['policies 0', 'coverage 1', 'coverage 2'];
    if (oneSequence) t.deepEqual(placesOf(read), expected);
    else t.deepEqual([...placesOf(read)].sort(), [...expected].sort());
  });

  behavior('a reader from the end has nothing, and one that follows waits until it is told to stop', async (t) => {
    const log = await open(t, [[event('a', '1')]]);
    const stop = new AbortController();
    let ended = false;
    const following = (async () => {
      const options = { topics: ['coverage'], from: 'end', follow: true, signal: stop.signal } as const;
      for await (const record of log.read(options)) t.fail(`came: ${textOf(record)}`);
      ended = true;
    })();
    await new Promise((resolve) => setTimeout(resolve, 30));
    t.false(ended);
    stop.abort();
    await following;
    t.true(ended);
  });

  behavior('a tombstone is a record without a value', async (t) => {
    const log = await open(t, [[policy('p', 'x'), removedPolicy('p')]]);
    t.deepEqual(
      (await recordsOf(log, ['policies'])).map(({ key, value }) => [key, value === undefined]),
      [
        ['p', false],
        ['p', true],
      ],
    );
  });

  behavior('a table is the last value of each key, without what was removed, and its position', async (t) => {
    t.deepEqual(await (await open(t, [])).table('policies'), { records: [], position: 0 });
    const log = await open(t, [
      [policy('p', 'x'), policy('q', 'y'), policy('p', 'z'), policy('r', 'w'), removedPolicy('q')],
    ]);
    const { records, position } = await log.table('policies');
    t.is(position, 5);
    t.deepEqual(
      records.map(({ key, offset }) => `${key} ${offset}`),
      ['p 2', 'r 3'],
    );
  });
}

/** Topic and offset of each. */
export function placesOf(records: readonly LogRecord[]): readonly string[] {
  return records.map(({ topic, offset }) => `${topic} ${offset}`);
}
