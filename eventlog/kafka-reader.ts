import type { TopicName } from '../schemas/topics.ts';
import { decodeRecord } from './decode-record.ts';
import { EventLogError } from './errors.ts';
import type { LogRecord, ReadOptions } from './event-log.ts';
import { KafkaCursor, latestOf, readStretch } from './kafka-cursor.ts';
import { KafkaFetcher } from './kafka-fetcher.ts';
import { KafkaInputs } from './kafka-inputs.ts';
import type { KafkaServices } from './kafka-services.ts';

/** Where one partition is read from, and up to where by one who does not follow. */
interface Stretch {
  readonly topic: TopicName;
  readonly partition: number;
  readonly from: number;
  readonly until: number;
}

/**
 * `EventLog.read` on Kafka: each partition in its order, and nothing is promised across them. Where it begins and ends is
 * asked at once; `begun` gets the question, so that what the caller appends next can wait for its answer.
 */
export function readKafka(
  services: KafkaServices,
  options: ReadOptions,
  begun: (question: Promise<unknown>) => void,
): AsyncIterable<LogRecord> {
  const stretches = stretchesOf(services, options);
  // Thrown to whoever iterates.
  begun(stretches.catch(() => undefined));
  return options.follow ? followed(services, options, stretches) : readOnce(services, options, stretches);
}

/** `EventLog.table` on Kafka. */
export async function tableOfKafka(
  services: KafkaServices,
  topic: TopicName,
): Promise<{ readonly records: readonly LogRecord[]; readonly position: number }> {
  const { lookups, fetcher, format, closing } = services;
  if ((await lookups.partitions(topic)) > 1) {
    throw new EventLogError('EVENT_LOG_FAILED', `${topic} has several partitions, and a table has one position`);
  }
  const position = await lookups.end(topic, 0);
  const from = { topic, partition: 0, offset: await lookups.low(topic, 0) };
  const records = await latestOf(readStretch(fetcher, from, position, closing));
  return { records: records.map((record) => decodeRecord(record, format)), position };
}

async function stretchesOf({ lookups }: KafkaServices, { topics, from }: ReadOptions): Promise<readonly Stretch[]> {
  const stretches = topics.map(async (topic) => {
    const count = await lookups.partitions(topic);
    const given = typeof from === 'string' ? undefined : from.get(topic);
    if (given !== undefined && count > 1) {
      const message = `${topic} has ${count} partitions: an offset alone does not tell where to begin`;
      throw new EventLogError('EVENT_LOG_FAILED', message);
    }
    const partitions = Array.from({ length: count }, async (_, partition): Promise<Stretch> => {
      const [low, until] = await Promise.all([lookups.low(topic, partition), lookups.end(topic, partition)]);
      return { topic, partition, from: from === 'end' ? until : Math.max(low, given ?? low), until };
    });
    return Promise.all(partitions);
  });
  return (await Promise.all(stretches)).flat();
}

async function* readOnce(
  { fetcher, format }: KafkaServices,
  { signal }: ReadOptions,
  stretches: Promise<readonly Stretch[]>,
): AsyncGenerator<LogRecord> {
  for (const { topic, partition, from, until } of await stretches) {
    for await (const records of readStretch(fetcher, { topic, partition, offset: from }, until, signal)) {
      for (const record of records) yield decodeRecord(record, format, partition);
    }
  }
}

async function* followed(
  { kafka, prefix, tuning, format }: KafkaServices,
  { signal }: ReadOptions,
  stretches: Promise<readonly Stretch[]>,
): AsyncGenerator<LogRecord> {
  const cursors = (await stretches).map(({ topic, partition, from }) => new KafkaCursor(topic, partition, from));
  const fetcher = new KafkaFetcher(kafka, { prefix, bytes: tuning.fetchBytes, format, signal });
  const inputs = new KafkaInputs(fetcher, cursors, tuning.fetchWaitMs);
  try {
    while (!signal.aborted) {
      const input = inputs.next(undefined);
      if (input === undefined) await inputs.more(signal);
      else yield decodeRecord(input.record, format, input.record.partition);
    }
  } finally {
    await fetcher.disconnect();
  }
}
