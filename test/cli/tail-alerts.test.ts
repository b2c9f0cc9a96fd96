import test from 'ava';
import { AlertTail, StatusCounter } from '../../cli/tail-alerts.ts';
import { MemoryEventLog } from '../../eventlog/memory.ts';
import type { Alert, Coverage } from '../../schemas/generated.ts';
import { sampleAlert } from '../support/alert.ts';

function coverage(session: bigint, received: number, dropped: number): Coverage {
  return {
    nodeId: 'node-1',
    bootId: 'boot-1',
    session,
    origin: 'live',
    fromTimeNs: 0n,
    toTimeNs: 1n,
    wallClockOffsetNs: 0n,
    firstBatch: 1,
    lastBatch: 1,
    cpus: [{ cpu: 0, highestSequence: received, received, repeated: 0, missing: 0 }],
    operations: [{ operation: 'open', seen: 0, filtered: 0, collapsed: 0, submitted: 0, dropped, received }],
    gaps: [],
    sessionEnded: false,
    evictedProcesses: 0,
    evictedContainers: 0,
    helperFailures: [],
  };
}

test('a tail shows what comes after it began, and ends when it has shown all', async (t) => {
  await using log = new MemoryEventLog();
  await log.append([{ topic: 'alerts', key: 'node-1', value: sampleAlert({ id: 'before' }) }]);
  const shown: Alert[] = [];
  const tail = new AlertTail({ log, onAlert: (alert) => shown.push(alert), onCoverage: () => undefined });
  await log.append([
    { topic: 'alerts', key: 'node-1', value: sampleAlert({ id: 'first' }) },
    { topic: 'alerts', key: 'node-1', value: sampleAlert({ id: 'second' }) },
  ]);
  await tail.end();
  t.deepEqual(
    shown.map((alert) => alert.id),
    ['first', 'second'],
  );
});

test('a tail that could not read says so at its end', async (t) => {
  const log = {
    read: () => {
      throw new Error('unreadable');
    },
  };
  const tail = new AlertTail({ log, onAlert: () => undefined, onCoverage: () => undefined });
  await t.throwsAsync(tail.end(), { message: 'unreadable' });
});

test('coverage counts from the beginning of its session: a rate is of what is new', (t) => {
  const counter = new StatusCounter();
  counter.coverage(coverage(1n, 1000, 0));
  counter.take(1000, 0);
  counter.coverage(coverage(1n, 3000, 0));
  t.is(counter.take(2000, 0).eventsPerSecond, 1000);
  t.is(counter.take(2000, 0).eventsPerSecond, 0);
});

test('drops of all sessions add up, alerts are counted, lag is passed on', (t) => {
  const counter = new StatusCounter();
  counter.coverage(coverage(1n, 10, 3));
  counter.coverage(coverage(1n, 20, 5));
  counter.coverage(coverage(2n, 10, 1));
  counter.alert();
  t.like(counter.take(1000, 7), { dropped: 6, alerts: 1, lagRecords: 7 });
});
