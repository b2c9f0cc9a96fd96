import type { TopicName } from '../schemas/topics.ts';
import type { ConsumeOptions, TablePositions } from './event-log.ts';
import { KafkaCursor } from './kafka-cursor.ts';
import { KafkaFetcher } from './kafka-fetcher.ts';
import { KafkaInputs } from './kafka-inputs.ts';
import { decodeOffsetMetadata, type CommittedState } from './kafka-offset-metadata.ts';
import { KafkaPartition } from './kafka-partition.ts';
import type { KafkaServices } from './kafka-services.ts';
import { KafkaTable } from './kafka-table.ts';
import { PartitionLock } from './kafka-transactions.ts';

/** A partition that is owned, and the connections that it takes. */
export interface HeldPartition {
  readonly partition: KafkaPartition;
  release(): Promise<void>;
}

/**
 * Takes a partition, in the only order in which its predecessor can have done nothing that is not seen:
 *
 * 1. the lock: what the predecessor has open is aborted, and whatever it tries from now on is fenced;
 * 2. the committed positions, which before that might be older than its last commit, and may not be cached by anybody;
 * 3. its inputs from there on, and the tables, which its batches bring to where the predecessor had them; its state, when the
 *    caller restores it, up to the end as of then.
 */
export async function openPartition(
  services: KafkaServices,
  options: ConsumeOptions,
  partition: number,
  signal: AbortSignal,
): Promise<HeldPartition> {
  const { kafka, prefix, tuning, format, lookups } = services;
  const group = services.prefix + options.group;
  const lock = await PartitionLock.take(kafka, {
    transactionalId: `${group}.${options.topics.join('+')}.${partition}`,
    group,
    timeoutMs: tuning.transactionTimeoutMs,
  });
  const fetcher = new KafkaFetcher(kafka, { prefix, bytes: tuning.fetchBytes, format, signal });
  try {
    const { positions, state } = await committedBy(services, options, partition);
    const cursors = [...positions].map(([topic, position]) => new KafkaCursor(topic, partition, position));
    const tables = await Promise.all(options.tables.map((table) => KafkaTable.open(table, services.fetcher, lookups)));
    const opened = new KafkaPartition({
      services,
      options,
      partition,
      signal,
      lock,
      inputs: new KafkaInputs(fetcher, cursors, tuning.fetchWaitMs),
      tables,
      positions,
      tablePositions: tablePositionsOf(options.tables, state.tables),
      intended: state.intended,
    });
    const release = async (): Promise<void> => {
      opened.end();
      await Promise.all([lock.release(), fetcher.disconnect()]);
    };
    return { partition: opened, release };
  } catch (error) {
    await Promise.all([lock.release(), fetcher.disconnect()]);
    throw error;
  }
}

interface Committed {
  readonly positions: ReadonlyMap<TopicName, number>;
  readonly state: CommittedState;
}

/** Where the group is in each input, and what is written beside it; a group that is new to a topic begins with all that is there. */
async function committedBy(services: KafkaServices, options: ConsumeOptions, partition: number): Promise<Committed> {
  const { lookups, logger } = services;
  const group = services.prefix + options.group;
  const positions = new Map<TopicName, number>();
  let state: CommittedState = { tables: {}, intended: undefined };
  for (const [place, topic] of options.topics.entries()) {
    const committed = await lookups.committed(group, topic, partition);
    const low = await lookups.low(topic, partition);
    const position = committed?.offset ?? low;
    if (position < low) {
      const lost = low - position;
      logger?.error({ topic, partition, group, lost }, 'retention has removed records that this group had not read');
    }
    positions.set(topic, Math.max(position, low));
    if (place === 0) state = decodeOffsetMetadata(committed?.metadata ?? '', group);
  }
  return { positions, state };
}

function tablePositionsOf(tables: readonly TopicName[], positions: TablePositions): TablePositions {
  return Object.fromEntries(tables.map((table) => [table, positions[table] ?? 0]));
}
