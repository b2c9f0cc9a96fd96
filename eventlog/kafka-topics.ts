import { setTimeout as delay } from 'node:timers/promises';
import kafkajs, { type Admin, type ConfigEntries } from 'kafkajs';
import { EventLogError } from './errors.ts';
import { kafkaFailure } from './kafka-errors.ts';

/** A topic as a cluster has it. */
export interface ClusterTopic {
  readonly name: string;
  readonly partitions: number;
  /** The least of its partitions. */
  readonly replicas: number;
  /** Every setting in force, the cluster's defaults among them, by Kafka's names. */
  readonly settings: ReadonlyMap<string, string>;
  /** Those that were set for this topic. */
  readonly overrides: ReadonlyMap<string, string>;
}

/** Between two looks at whether settings are in force, milliseconds. */
const pollMs = 50;
/** How long brokers may take to hear of settings that the controller has taken, milliseconds: some milliseconds where all is well. */
const heardMs = 60_000;

const topicResource = kafkajs.ConfigResourceTypes.TOPIC;
/** `ConfigSource.DYNAMIC_TOPIC_CONFIG` (KIP-226): set for the topic itself. kafkajs's own enum is types alone. */
const setForTopic = 1;

/** The topics of these names that are there. Throws `EVENT_LOG_FAILED`. */
export async function describeTopics(
  admin: Admin,
  names: readonly string[],
): Promise<ReadonlyMap<string, ClusterTopic>> {
  try {
    const all = new Set(await admin.listTopics());
    const present = names.filter((name) => all.has(name));
    // Asked for no topic at all, kafkajs and the broker mean every one.
    if (present.length === 0) return new Map();
    const { topics } = await admin.fetchTopicMetadata({ topics: present });
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: present.map((name) => ({ type: topicResource, name })),
    });
    const entries = new Map(resources.map(({ resourceName, configEntries }) => [resourceName, configEntries]));
    return new Map(
      topics.map(({ name, partitions }) => {
        const described = entries.get(name) ?? [];
        const topic = {
          name,
          partitions: partitions.length,
          replicas: Math.min(...partitions.map(({ replicas }) => replicas.length)),
          settings: valuesOf(described),
          overrides: valuesOf(described.filter(({ configSource }) => (configSource as number) === setForTopic)),
        };
        return [name, topic];
      }),
    );
  } catch (error) {
    throw kafkaFailure(error, 'asking Kafka for its topics');
  }
}

function valuesOf(entries: readonly ConfigEntries[]): ReadonlyMap<string, string> {
  return new Map(entries.map(({ configName, configValue }) => [configName, configValue]));
}

/**
 * Sets `changes` for a topic and leaves what else was set for it. kafkajs has only the old AlterConfigs, which takes away
 * every override that it does not name (KIP-133; the incremental one is KIP-339): so all are read, and written again. Resolves
 * when a broker says that they are in force; the controller answers earlier. Throws `EVENT_LOG_FAILED`.
 */
export async function changeTopicSettings(
  admin: Admin,
  name: string,
  changes: Readonly<Record<string, string>>,
): Promise<void> {
  const topic = (await describeTopics(admin, [name])).get(name);
  if (topic === undefined) throw new EventLogError('EVENT_LOG_FAILED', `the topic ${name} has gone meanwhile`);
  const settings = { ...Object.fromEntries(topic.overrides), ...changes };
  const configEntries = Object.entries(settings).map(([setting, value]) => ({ name: setting, value }));
  try {
    await admin.alterConfigs({ validateOnly: false, resources: [{ type: topicResource, name, configEntries }] });
  } catch (error) {
    throw kafkaFailure(error, `setting ${Object.keys(changes).join(', ')} of the topic ${name}`);
  }
  const untilMs = performance.now() + heardMs;
  while (!isInForce(changes, (await describeTopics(admin, [name])).get(name))) {
    if (performance.now() > untilMs) {
      const message = `the brokers have not taken over settings of the topic ${name} after ${heardMs / 1000} s`;
      throw new EventLogError('EVENT_LOG_FAILED', message, { retriable: true });
    }
    await delay(pollMs);
  }
}

function isInForce(changes: Readonly<Record<string, string>>, topic: ClusterTopic | undefined): boolean {
  return Object.entries(changes).every(([setting, value]) => topic?.settings.get(setting) === value);
}

/** How many brokers the cluster has now. Throws `EVENT_LOG_FAILED`. */
export async function countBrokers(admin: Admin): Promise<number> {
  try {
    return (await admin.describeCluster()).brokers.length;
  } catch (error) {
    throw kafkaFailure(error, 'asking Kafka for its brokers');
  }
}
