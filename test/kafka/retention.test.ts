import test from 'ava';
import { connectAdmin } from '../../eventlog/kafka-admin.ts';
import { createKafka } from '../../eventlog/kafka-client.ts';
import { consumed } from '../eventlog/consume.ts';
import { event, policy, recordsOf, removedPolicy, textOf, textsOf } from '../eventlog/toy.ts';
import { eventually } from '../support/eventually.ts';
import { openKafkaLog } from './kafka-log.ts';
import { makeTopics, testConnection } from './topics.ts';

const inputs = { topics: ['coverage'], tables: [] } as const;

test('a group that retention has overtaken goes on with what is left', async (t) => {
  const prefix = await makeTopics(t);
  const log = await openKafkaLog(t, { prefix });
  await log.append([event('a', '1'), event('a', '2')]);
  await consumed(log, { group: 'g', ...inputs }, (batch) => batch.commit([]));
  await log.append([event('a', '3'), event('a', '4')]);
  await using admin = await connectAdmin(testConnection());
  // kafkajs deletes in topics that it has been asked of before.
  await admin.fetchTopicOffsets(`${prefix}coverage`);
  const partitions = [{ partition: 0, offset: '3' }];
  await admin.deleteTopicRecords({ topic: `${prefix}coverage`, partitions });
  const records = await consumed(log, { group: 'g', ...inputs }, (batch) => batch.commit([]));
  t.deepEqual(records.map(textOf), ['4']);
  t.deepEqual(await textsOf(log, ['coverage']), ['4']);
  await admin.deleteTopicRecords({ topic: `${prefix}coverage`, partitions: [{ partition: 0, offset: '-1' }] });
  await log.append([event('a', '5')]);
  t.deepEqual(
    (await consumed(log, { group: 'h', ...inputs }, (batch) => batch.commit([]))).map(({ offset }) => offset),
    [4],
    'an emptied topic goes on counting',
  );
});

test('compaction leaves the table, and readers come past what it has removed', async (t) => {
  const eager = {
    'min.cleanable.dirty.ratio': '0.01',
    'delete.retention.ms': '0',
    'segment.ms': '500',
    'min.compaction.lag.ms': '0',
  };
  const prefix = await makeTopics(t, { settings: { policies: eager } });
  const log = await openKafkaLog(t, { prefix });
  await log.append([policy('stays', '1'), policy('goes', '1')]);
  const group = { group: 'g', topics: ['coverage'], tables: ['policies'] } as const;
  await log.append([event('a', '1')]);
  await consumed(log, group, (batch) => batch.commit([]));
  await log.append([policy('goes', '2'), policy('goes', '3'), removedPolicy('goes')]);
  await eventually('the versions and the tombstone to be gone', async () => {
    // A segment ends, and is compacted from then on, with the first record that comes after its time.
    await log.append([policy('stays', 'again')]);
    const records = await recordsOf(log, ['policies']);
    return records.every(({ key }) => key === 'stays') ? true : undefined;
  });
  t.deepEqual(
    (await log.table('policies')).records.map(({ key }) => key),
    ['stays'],
  );
  await log.append([event('a', '2')]);
  const records = await consumed(log, group, (batch) => batch.commit([]));
  t.true(records.every(({ key }) => key === 'stays' || key === 'a'));
  t.is(records.at(-1)?.key, 'a');
});

test('a reader comes past transactions that were aborted, and has none of their records', async (t) => {
  const prefix = await makeTopics(t);
  const log = await openKafkaLog(t, { prefix });
  await log.append([event('a', '1')]);
  const producer = createKafka(testConnection()).producer({ transactionalId: prefix, idempotent: true });
  await producer.connect();
  for (const place of ['first', 'second']) {
    const transaction = await producer.transaction();
    await transaction.send({ topic: `${prefix}coverage`, messages: [{ key: 'a', value: place, partition: 0 }] });
    await transaction.abort();
  }
  await log.append([event('a', '2')]);
  const last = await producer.transaction();
  await last.send({ topic: `${prefix}coverage`, messages: [{ key: 'a', value: 'third', partition: 0 }] });
  await last.abort();
  await producer.disconnect();
  t.deepEqual(await textsOf(log, ['coverage']), ['1', '2']);
  t.deepEqual((await consumed(log, { group: 'g', ...inputs }, (batch) => batch.commit([]))).map(textOf), ['1', '2']);
});
