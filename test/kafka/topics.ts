import { randomBytes } from 'node:crypto';
import process from 'node:process';
import type { ExecutionContext } from 'ava';
import type { ITopicConfig } from 'kafkajs';
import { connectAdmin, createTopics } from '../../eventlog/kafka-admin.ts';
import { minMaxMessageBytes, type KafkaConnection } from '../../eventlog/kafka-config.ts';
import { topics, type TopicName } from '../../schemas/topics.ts';

/** The brokers that this run is against; dist/test/kafka/main.js names them. */
export function testConnection(): KafkaConnection {
  const brokers = process.env['KAFKA_BROKERS'];
  if (brokers === undefined)
    throw new Error('KAFKA_BROKERS names no broker: run dist/test/kafka/main.js, which starts one');
  return { brokers: brokers.split(','), clientId: 'palisade-test' };
}

/** A prefix that no other test has. */
export function randomPrefix(): string {
  return `test-${randomBytes(6).toString('hex')}.`;
}

export interface TestTopics {
  /** Of topics that are not tables. Default 1. */
  readonly partitions?: number;
  /** Topic → settings of its own. */
  readonly settings?: Partial<Readonly<Record<TopicName, Readonly<Record<string, string>>>>>;
}

/** The topics that tests of logs use (test/eventlog/toy.ts). */
const toyTopics: readonly TopicName[] = ['coverage', 'policies', 'policy-status', 'workloads', 'dead-letters'];

/** Creates the topics of tests under a prefix of its own, which is returned; they are deleted when the test ends. */
export async function makeTopics(t: ExecutionContext, options: TestTopics = {}): Promise<string> {
  const prefix = randomPrefix();
  const configs = toyTopics.map((name): ITopicConfig => {
    const settings = { 'max.message.bytes': String(minMaxMessageBytes), ...options.settings?.[name] };
    return {
      topic: prefix + name,
      numPartitions: name === 'policies' ? 1 : (options.partitions ?? 1),
      replicationFactor: 1,
      configEntries: [
        { name: 'cleanup.policy', value: topics[name].cleanupPolicy },
        ...Object.entries(settings).map(([setting, value]) => ({ name: setting, value })),
      ],
    };
  });
  await using admin = await connectAdmin(testConnection());
  await createTopics(admin, configs);
  t.teardown(async () => {
    await using remover = await connectAdmin(testConnection());
    await remover.deleteTopics({ topics: configs.map(({ topic }) => topic) });
  });
  return prefix;
}
