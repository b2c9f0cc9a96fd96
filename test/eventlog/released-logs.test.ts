import test from 'ava';
import { CaptureEventLog } from '../../eventlog/capture.ts';
import { EmbeddedEventLog } from '../../eventlog/embedded.ts';
import { EmbeddedStore } from '../../eventlog/embedded-store.ts';
import type { LogRecord } from '../../eventlog/event-log.ts';
import { fingerprintOf } from '../../eventlog/fingerprint.ts';
import { defaultRetention } from '../../eventlog/retention.ts';
import { releasedTypesOf } from '../../schemas/avro-types.ts';
import { topicNames, type TopicName } from '../../schemas/topics.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

// A log outlives the version that began it.

const never = new AbortController().signal;
const keyed = ({ topic, key, value }: LogRecord): unknown => ({ topic, key, value });

/** A value as 0.1.0 had it in its log: Avro single-object encoding of its own schema. */
function framedBy010(topic: TopicName, value: unknown): Uint8Array {
  const type = releasedTypesOf(topic).find(({ version }) => version === '0.1.0')?.type;
  if (type === undefined) throw new Error(`0.1.0 had no ${topic}`);
  const header = Buffer.from([0xc3, 0x01, 0, 0, 0, 0, 0, 0, 0, 0]);
  header.writeBigUInt64LE(fingerprintOf(type), 2);
  return Buffer.concat([header, type.toBuffer(value)]);
}

test('an embedded log that 0.1.0 wrote is read: whole, by each topic, beside what is written now', async (t) => {
  const written: LogRecord[] = [];
  await using capture = await CaptureEventLog.open('test/golden/captures/0.1.0.avro');
  for await (const { record } of capture.progress(never)) written.push(record);
  t.true(['raw-events', 'policies', 'workloads'].some((topic) => written.some((record) => record.topic === topic)));

  const directory = temporaryDirectory(t);
  const store = await EmbeddedStore.open({ directory, durability: 'group', retention: defaultRetention });
  const records = written.map(({ topic, key, value, timestampMs, tablePositions }) => {
    return { topic, key, timestampMs, tablePositions, value: value && framedBy010(topic, value) };
  });
  await store.write({ records });
  await store.close();

  await using log = await EmbeddedEventLog.open({ directory });
  const raw = written.find((record) => record.topic === 'raw-events');
  if (raw?.value === undefined) throw new Error('the capture has no raw events');
  await log.append([{ topic: 'raw-events', key: raw.key, value: raw.value }]);
  const read: LogRecord[] = [];
  for await (const record of log.read({ topics: topicNames, from: 'start', follow: false, signal: never })) {
    read.push(record);
  }
  t.deepEqual(read.map(keyed), [...written, raw].map(keyed));
});
