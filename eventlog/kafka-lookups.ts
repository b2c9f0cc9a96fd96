import type { Kafka } from 'kafkajs';
import type { TopicName } from '../schemas/topics.ts';
import { EventLogError } from './errors.ts';
import { KafkaCluster } from './kafka-cluster.ts';
import { offsetOf } from './kafka-record.ts';

/** What a group committed for one partition of a topic. */
export interface CommittedOffset {
  readonly offset: number;
  readonly metadata: string;
}

/** What has to be asked of the cluster beside records. Throw `EVENT_LOG_FAILED`, retriable where it may pass. */
export class KafkaLookups {
  readonly #cluster: KafkaCluster;
  readonly #prefix: string;
  readonly #partitions = new Map<TopicName, number>();

  /** `signal` ends the attempts. */
  constructor(kafka: Kafka, prefix: string, signal: AbortSignal) {
    this.#cluster = new KafkaCluster(kafka, signal);
    this.#prefix = prefix;
  }

  /** The name that `topic` has in the cluster. */
  nameOf(topic: TopicName): string {
    return this.#prefix + topic;
  }

  /** How many partitions `topic` has; looked up once, since they are not raised in place. */
  async partitions(topic: TopicName): Promise<number> {
    const known = this.#partitions.get(topic);
    if (known !== undefined) return known;
    const count = await this.#cluster.ask(`asking for the partitions of ${topic}`, async (cluster) => {
      await cluster.addMultipleTargetTopics([this.nameOf(topic)]);
      return cluster.findTopicPartitionMetadata(this.nameOf(topic)).length;
    });
    if (count === 0) {
      throw new EventLogError('EVENT_LOG_FAILED', `Kafka has no topic ${this.nameOf(topic)}: create the topics first`);
    }
    this.#partitions.set(topic, count);
    return count;
  }

  /** The offset after the last record that every replica has: records of transactions that are still open count. */
  end(topic: TopicName, partition: number): Promise<number> {
    return this.#offset(topic, partition, false);
  }

  /** The lowest offset that is still there. */
  low(topic: TopicName, partition: number): Promise<number> {
    return this.#offset(topic, partition, true);
  }

  /** `undefined` where the group has committed nothing there. */
  committed(group: string, topic: TopicName, partition: number): Promise<CommittedOffset | undefined> {
    return this.#cluster.ask(`asking for the position of group ${group} in ${topic}`, async (cluster) => {
      const coordinator = await cluster.findGroupCoordinator({ groupId: group });
      const asked = { partition } as { partition: number; offset: string };
      const { responses } = await coordinator.offsetFetch({
        groupId: group,
        topics: [{ topic: this.nameOf(topic), partitions: [asked] }],
      });
      // The metadata is in the answer (OffsetFetch v1 and later) and not in kafkajs's type.
      const found = responses[0]?.partitions[0] as { offset: string; metadata?: string | null } | undefined;
      const offset = offsetOf(found?.offset ?? '-1');
      return offset < 0 ? undefined : { offset, metadata: found?.metadata ?? '' };
    });
  }

  async disconnect(): Promise<void> {
    await this.#cluster.disconnect();
  }

  #offset(topic: TopicName, partition: number, fromBeginning: boolean): Promise<number> {
    return this.#cluster.ask(`asking for the offsets of ${topic}/${partition}`, async (cluster) => {
      await cluster.addMultipleTargetTopics([this.nameOf(topic)]);
      const wanted = { topic: this.nameOf(topic), partitions: [{ partition }], fromBeginning };
      const [found] = await cluster.fetchTopicsOffset([wanted]);
      const offset = found?.partitions[0]?.offset;
      if (offset === undefined) throw new Error(`there is no partition ${partition}`);
      return offsetOf(offset);
    });
  }
}
