import type { Message, TopicMessages } from 'kafkajs';
import type { TopicName } from '../schemas/topics.ts';
import type { KafkaLookups } from './kafka-lookups.ts';
import type { MessageMaker } from './kafka-record.ts';
import type { UnstoredRecord } from './log-store.ts';

/** What one produce request carries. */
export type Chunk = readonly TopicMessages[];

/**
 * Messages for `records`, in their order within each partition, cut so that each chunk has at most `chunkBytes` of values
 * where a value is not larger itself: a chunk is one record batch a partition, which its topic's `max.message.bytes` limits.
 */
export async function chunksOf(
  records: readonly UnstoredRecord[],
  maker: MessageMaker,
  lookups: KafkaLookups,
  chunkBytes: number,
): Promise<readonly Chunk[]> {
  const chunks: Chunk[] = [];
  let messages = new Map<TopicName, Message[]>();
  let bytes = 0;
  const cut = (): void => {
    if (messages.size > 0) {
      chunks.push([...messages].map(([topic, theirs]) => ({ topic: lookups.nameOf(topic), messages: theirs })));
    }
    messages = new Map();
    bytes = 0;
  };
  for (const record of records) {
    const size = record.value?.length ?? 0;
    if (bytes > 0 && bytes + size > chunkBytes) cut();
    const message = maker.message(record, await lookups.partitions(record.topic));
    const theirs = messages.get(record.topic);
    if (theirs === undefined) messages.set(record.topic, [message]);
    else theirs.push(message);
    bytes += size;
  }
  cut();
  return chunks;
}
