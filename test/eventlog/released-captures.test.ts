import test from 'ava';
import { CaptureEventLog } from '../../eventlog/capture.ts';
import type { LogRecord } from '../../eventlog/event-log.ts';
import type { RawEventBatch } from '../../schemas/generated.ts';
import { Flow } from '../support/match.ts';

// What a release wrote every later one reads.

const file = 'test/golden/captures/0.1.0.avro';

async function recordsOf(): Promise<readonly LogRecord[]> {
  const records: LogRecord[] = [];
  await using log = await CaptureEventLog.open(file);
  for await (const { record } of log.progress(new AbortController().signal)) records.push(record);
  return records;
}

function batchesOf(records: readonly LogRecord[]): readonly RawEventBatch[] {
  return records.flatMap((record) =>
    record.topic === 'raw-events' && record.value !== undefined ? [record.value] : [],
  );
}

test('a capture of 0.1.0, which knew no removing, renaming or listening, is read', async (t) => {
  const batches = batchesOf(await recordsOf());
  const events = batches.flatMap((batch) => batch.events);
  t.true(events.length > 50);
  const operations = [...new Set(events.map(({ operation }) => operation))].sort();
  t.deepEqual(operations, ['exec', 'exit', 'fork', 'open']);
  for (const event of events) t.like(event, { newFile: -1, newTypedPath: -1, localAddress: -1 });
});

test('a capture of 0.1.0 is judged, by its own policies', async (t) => {
  const flow = new Flow();
  const alerts = [];
  for (const record of await recordsOf()) {
    if (record.topic === 'policies') flow.policy(record.key, record.value);
    if (record.topic === 'raw-events' && record.value !== undefined) alerts.push(...flow.batch(record.value));
  }
  t.true(alerts.length > 0);
  for (const alert of alerts) t.like(alert, { oldPath: '', newPath: '' });
});
