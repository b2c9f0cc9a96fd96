import { setTimeout as delay } from 'node:timers/promises';
import type { Admin, ITopicConfig } from 'kafkajs';
import { EventLogError } from './errors.ts';
import { createKafka } from './kafka-client.ts';
import type { KafkaConnection } from './kafka-config.ts';
import { kafkaErrorType, kafkaFailure } from './kafka-errors.ts';

/** Between two looks at whether topics are there, milliseconds. */
const pollMs = 50;
/** How long new topics may take to have leaders, milliseconds: less than a second in a healthy cluster. */
const leadersMs = 60_000;

/** A connected administrator of a cluster; disposing of it disconnects. Throws `EVENT_LOG_FAILED`, retriable. */
export async function connectAdmin(connection: KafkaConnection): Promise<Admin & AsyncDisposable> {
  const admin = createKafka(connection).admin();
  try {
    await admin.connect();
  } catch (error) {
    await admin.disconnect();
    throw kafkaFailure(error, `connecting to Kafka at ${connection.brokers.join(', ')}`);
  }
  return Object.assign(admin, { [Symbol.asyncDispose]: () => admin.disconnect() });
}

/**
 * Creates `topics`, those that are there already left as they are, and resolves when every partition has a leader.
 * kafkajs's own `waitForLeaders` throws UNKNOWN_TOPIC_OR_PARTITION where a broker has not heard of the topic yet, and does
 * not try again. Throws `EVENT_LOG_FAILED`.
 */
export async function createTopics(admin: Admin, topics: readonly ITopicConfig[]): Promise<void> {
  const names = topics.map(({ topic }) => topic);
  try {
    const known = new Set(await admin.listTopics());
    const missing = topics.filter(({ topic }) => !known.has(topic));
    if (missing.length > 0) await admin.createTopics({ topics: missing, waitForLeaders: false });
  } catch (error) {
    if (!existsAlready(error)) throw kafkaFailure(error, `creating the topics ${names.join(', ')}`);
  }
  const untilMs = performance.now() + leadersMs;
  while ((await partitionCounts(admin, names)).size < names.length) {
    if (performance.now() > untilMs) {
      const message = `creating the topics ${names.join(', ')} failed: some have no leader after ${leadersMs / 1000} s`;
      throw new EventLogError('EVENT_LOG_FAILED', message, { retriable: true });
    }
    await delay(pollMs);
  }
}

/** Topic → number of its partitions; topics that are not there, or of which a partition has no leader, are left out. */
export async function partitionCounts(admin: Admin, names: readonly string[]): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>();
  for (const name of names) {
    try {
      const { topics } = await admin.fetchTopicMetadata({ topics: [name] });
      const partitions = topics.find((topic) => topic.name === name)?.partitions ?? [];
      if (partitions.length > 0 && partitions.every(({ leader }) => leader >= 0)) counts.set(name, partitions.length);
    } catch (error) {
      const type = kafkaErrorType(error);
      if (type !== 'UNKNOWN_TOPIC_OR_PARTITION' && type !== 'LEADER_NOT_AVAILABLE') {
        throw kafkaFailure(error, `asking Kafka for the topic ${name}`);
      }
    }
  }
  return counts;
}

/** Whether all that went wrong is that somebody else has created them at the same time. */
function existsAlready(error: unknown): boolean {
  if (error instanceof Error && 'errors' in error && Array.isArray(error.errors)) {
    return error.errors.every((each) => kafkaErrorType(each) === 'TOPIC_ALREADY_EXISTS');
  }
  return kafkaErrorType(error) === 'TOPIC_ALREADY_EXISTS';
}
