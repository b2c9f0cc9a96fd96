import test from 'ava';
import { killOf, maxRecordsFor, momentsOf, requiredBetween, type Moment } from './kills.ts';
import type { LogState, SinkProgress } from './log-watch.ts';

function firstMoments(seed: number, maxRecords: number): readonly Moment[] {
  const moments = momentsOf(seed, maxRecords);
  return Array.from({ length: 300 }, () => moments.next().value);
}

test('a seed decides all moments, and another seed gives others', (t) => {
  t.deepEqual(firstMoments(1, 12), firstMoments(1, 12));
  t.notDeepEqual(firstMoments(1, 12), firstMoments(2, 12));
});

test('moments hit both processes, after 1 record to the most', (t) => {
  const moments = firstMoments(3, 12);
  t.deepEqual([...new Set(moments.map(({ target }) => target))].sort(), ['engine', 'stages']);
  t.deepEqual(
    [...new Set(moments.map(({ records }) => records))].sort((one, other) => one - other),
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
  );
});

test('few kills are spread over the whole story, and many do not crowd into less than some records', (t) => {
  t.is(maxRecordsFor(50, 819), 34);
  t.is(maxRecordsFor(1000, 819), 12);
});

test('a third of the kills, rounded up, has to fall between a publish and its insert', (t) => {
  t.deepEqual([1, 2, 3, 4, 50, 1000].map(requiredBetween), [1, 1, 1, 2, 17, 334]);
});

const moment: Moment = { target: 'stages', records: 1, delayMs: 0 };

function stateOf(alerts: Partial<SinkProgress>): LogState {
  const nothing = { published: 0, stored: 0, intended: undefined };
  return { fed: 0, appended: 0, judged: 0, alerts: { ...nothing, ...alerts }, coverage: nothing, deadLetters: 0 };
}

function waitingAfter(alerts: SinkProgress, before: SinkProgress = alerts): number {
  return killOf(1, moment, stateOf(before), stateOf(alerts)).waiting;
}

const inserting = (first: number, last: number) => ({ topic: 'alerts', partition: 0, first, last }) as const;

test('alerts that are published and not stored lie between a publish and its insert', (t) => {
  t.is(waitingAfter({ published: 10, stored: 4, intended: undefined }), 6);
});

test('alerts whose insert has begun do not', (t) => {
  t.is(waitingAfter({ published: 10, stored: 4, intended: inserting(4, 9) }), 0);
  t.is(waitingAfter({ published: 10, stored: 4, intended: inserting(4, 6) }), 3);
});

test('nor do those that were published, or that a write has begun with, only after the kill of the engine', (t) => {
  const before = { published: 10, stored: 4, intended: undefined };
  t.is(waitingAfter({ published: 20, stored: 4, intended: undefined }, before), 6);
  t.is(waitingAfter({ published: 20, stored: 4, intended: inserting(4, 19) }, before), 0);
  t.is(waitingAfter({ published: 20, stored: 20, intended: undefined }, before), 0);
});
