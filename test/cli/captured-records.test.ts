import test from 'ava';
import { capturedTopics, logRecords } from '../../cli/captured-records.ts';
import { pipeline } from '../../cli/roles.ts';
import type { LogRecord } from '../../eventlog/event-log.ts';
import { MemoryEventLog } from '../../eventlog/memory.ts';
import { runStages } from '../../eventlog/runner.ts';
import { eventually } from '../support/eventually.ts';
import { hostDescriptor, TestNode } from '../support/raw-batch.ts';
import { policy, quietly } from '../eventlog/toy.ts';

const never = new AbortController().signal;

async function recordsOf(log: MemoryEventLog): Promise<readonly LogRecord[]> {
  const records: LogRecord[] = [];
  for await (const record of logRecords(log, { fromNow: false, signal: never })) records.push(record);
  return records;
}

/** Appends a batch with one more process than before. */
function appender(log: MemoryEventLog): () => Promise<void> {
  const node = new TestNode();
  const init = node.process({ hostPid: 1, executable: '/sbin/init' });
  return async () => {
    node.fork(init);
    const value = node.batch({ containers: [hostDescriptor()] });
    await log.append([{ topic: 'raw-events', key: value.nodeId, value }]);
  };
}

async function judge(log: MemoryEventLog): Promise<void> {
  await runStages([pipeline()], log, quietly(), AbortSignal.abort());
}

test('a log that has everything is captured as it is, without a state', async (t) => {
  await using log = new MemoryEventLog();
  const append = appender(log);
  await log.append([policy('p', 'x')]);
  await append();
  await log.append([policy('p', 'y')]);
  await append();
  await judge(log);
  const records = await recordsOf(log);
  t.deepEqual(
    records.map(({ topic, offset }) => `${topic} ${offset}`),
    ['policies 0', 'raw-events 0', 'policies 1', 'raw-events 1'],
  );
});

test('where the first events are trimmed, the state of containers and processes stands ahead of the rest', async (t) => {
  // Without room for anything, what all groups have read goes, and nothing else.
  await using log = new MemoryEventLog({ retention: { bytes: 0, checkEveryMs: 10 } });
  const append = appender(log);
  await log.append([policy('p', 'x')]);
  await append();
  await judge(log);
  await eventually('the first events are trimmed', async () =>
    (await recordsOf(log)).every(({ topic }) => topic !== 'raw-events') ? true : undefined,
  );
  await append();
  const records = await recordsOf(log);
  const topics = records.map(({ topic }) => topic);
  t.is(topics[0], 'enricher-state');
  t.deepEqual(
    topics.filter((topic) => topic !== 'enricher-state'),
    ['policies', 'raw-events'],
  );
  t.deepEqual(topics, [...topics.filter((topic) => topic === 'enricher-state'), 'policies', 'raw-events']);
  for (const { topic, value } of records) {
    if (topic === 'enricher-state') t.like(value, { sessions: [], cpus: [] }, 'no number of an event counts as known');
  }
});

test('a log without events gives its tables', async (t) => {
  await using log = new MemoryEventLog();
  t.deepEqual(await recordsOf(log), []);
  await log.append([policy('p', 'x')]);
  t.deepEqual(
    (await recordsOf(log)).map(({ topic }) => topic),
    ['policies'],
  );
  t.true(capturedTopics.includes('policies'));
});
