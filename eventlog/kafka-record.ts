import { Partitioners, type IHeaders, type Message } from 'kafkajs';
import { avroTypeOf } from '../schemas/avro-types.ts';
import { topicNames, topics, type TopicName } from '../schemas/topics.ts';
import { EventLogError } from './errors.ts';
import type { TablePositions } from './event-log.ts';
import type { StoredRecord, UnstoredRecord } from './log-store.ts';
import { fingerprintOf } from './fingerprint.ts';

/*
 * A record as a Kafka message. Key and value are the log's; headers, all of them text, say the rest:
 *
 *     schema     CRC-64-AVRO of the value's schema, 16 hexadecimal digits
 *     producer   name and version of the program that wrote it
 *     tables     positions of the tables in force when a processor made it: `policies=12,workloads=7`
 */

/** A record that was read from one partition of a topic. */
export type KafkaRecord = Omit<StoredRecord, 'sequence'> & { readonly partition: number };

/** A message that was read, as kafkajs has it. */
export interface ReadMessage {
  readonly offset: string;
  readonly timestamp: string;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers?: IHeaders;
}

/** Makes messages of records; computes what is the same for all of a topic once. */
export class MessageMaker {
  readonly #producer: string;
  readonly #schemas = new Map<TopicName, string>();
  readonly #partitioner = Partitioners.DefaultPartitioner();

  /** `producer`: the header of that name. */
  constructor(producer: string) {
    this.#producer = producer;
  }

  /** `partitions`: how many the topic has. */
  message(record: UnstoredRecord, partitions: number): Message {
    const tables = Object.entries(record.tablePositions).map(([table, position]) => `${table}=${position}`);
    return {
      key: record.key,
      // kafkajs takes Buffers alone; this is a view of the same bytes.
      value: record.value === undefined ? null : bufferOf(record.value),
      partition: this.#partitionOf(record, partitions),
      timestamp: String(record.timestampMs),
      headers: {
        schema: this.#schemaOf(record.topic),
        producer: this.#producer,
        ...(tables.length === 0 ? {} : { tables: tables.join(',') }),
      },
    };
  }

  /** As Java's clients do by default (murmur2), so that other tools find a key in the same partition. */
  #partitionOf(record: UnstoredRecord, partitions: number): number {
    if (partitions === 1) return 0;
    const partitionMetadata = Array.from({ length: partitions }, (_, partitionId) => ({
      partitionId,
      partitionErrorCode: 0,
      leader: 0,
      replicas: [],
      isr: [],
    }));
    const message = { key: partitionKeyOf(record.topic, record.key), value: null };
    return this.#partitioner({ topic: record.topic, partitionMetadata, message });
  }

  #schemaOf(topic: TopicName): string {
    let schema = this.#schemas.get(topic);
    if (schema === undefined) {
      schema = fingerprintOf(avroTypeOf(topic).type).toString(16).padStart(16, '0');
      this.#schemas.set(topic, schema);
    }
    return schema;
  }
}

/**
 * The part of a key that decides on the partition: a node's state is in the partition that the node's records are in, where
 * the processor of that partition looks for it.
 */
export function partitionKeyOf(topic: TopicName, key: string): string {
  return topics[topic].key === 'node id/slot' ? key.slice(0, Math.max(0, key.lastIndexOf('/'))) : key;
}

/** Reads a message's key and headers; headers that make no sense make the record a damaged one, with the reason. */
export function recordOf(topic: TopicName, partition: number, message: ReadMessage): KafkaRecord {
  const tables = positionsIn(topic, message.headers);
  return {
    topic,
    partition,
    offset: offsetOf(message.offset),
    timestampMs: Number(message.timestamp),
    key: message.key?.toString('utf8') ?? '',
    value: message.value ?? undefined,
    tablePositions: tables ?? {},
    damage: tables === undefined ? 'its header `tables` is no list of table positions' : undefined,
  };
}

/** An offset as a number. Throws `EVENT_LOG_FAILED` beyond 2^53: no partition comes to that. */
export function offsetOf(text: string): number {
  const offset = Number(text);
  if (Number.isSafeInteger(offset)) return offset;
  throw new EventLogError('EVENT_LOG_FAILED', `Kafka gave the offset ${text}, which is no number that it can have`);
}

/** The positions of the header `tables`; `undefined` where it is malformed. */
function positionsIn(topic: TopicName, headers: IHeaders | undefined): TablePositions | undefined {
  const header = headers?.['tables'];
  // No processor writes raw events: a node that stamps its own would have its partition wait for positions that it made up.
  if (header === undefined || topic === 'raw-events') return {};
  const positions: Partial<Record<TopicName, number>> = {};
  for (const entry of header.toString().split(',')) {
    const [, name = '', digits = ''] = /^([a-z-]+)=(\d{1,16})$/u.exec(entry) ?? [];
    const table = topicNames.find((each) => each === name);
    const position = Number(digits);
    if (table === undefined || !Number.isSafeInteger(position)) return undefined;
    positions[table] = position;
  }
  return positions;
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
