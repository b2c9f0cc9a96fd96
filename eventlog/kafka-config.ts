import type { ConnectionOptions } from 'node:tls';
import type { RetryOptions, SASLOptions } from 'kafkajs';
import type { Logger } from '../runtime/logger.ts';
import type { WireFormat } from './wire-format.ts';

/** Where the brokers are and who we are to them. */
export interface KafkaConnection {
  /** `host:port` each; one that answers is enough. */
  readonly brokers: readonly string[];
  /** Shown in the brokers' logs and metrics. */
  readonly clientId: string;
  /** TLS; left out: none. */
  readonly ssl?: ConnectionOptions | boolean;
  readonly sasl?: SASLOptions;
  /** How often what kafkajs tries by itself is tried again, where the caller has attempts of its own. Left out: for some 13 s. */
  readonly retries?: number;
  /** What kafkajs says of connections and requests goes there, at level debug. Left out: nowhere. */
  readonly logger?: Logger;
}

/** An `EventLog` on Kafka. Figures that are left out are `kafkaDefaults`. */
export interface KafkaLogOptions extends KafkaConnection {
  /** Ahead of the names of topics, groups and transactional ids: one cluster may hold several of us. */
  readonly prefix: string;
  /** In the header `producer` of each record: name and version of the program. */
  readonly producer: string;
  /** How values are framed: left out, in Avro single-object encoding; with a schema registry `createConfluentFormat`. */
  readonly format?: WireFormat;
  readonly tuning?: Partial<KafkaTuning>;
}

export interface KafkaTuning {
  /** A member that is not heard of for so long has left its group, milliseconds: others take its partitions. */
  readonly sessionTimeoutMs: number;
  readonly heartbeatMs: number;
  /**
   * A transaction that hangs for so long is aborted by the broker, milliseconds. Until then it holds back every reader of
   * the partitions that it wrote to.
   */
  readonly transactionTimeoutMs: number;
  /** Bytes of values in one produce request: less than the topics' `max.message.bytes` even uncompressed. */
  readonly chunkBytes: number;
  /** Bytes of one partition in a fetched response; more where one record is larger. */
  readonly fetchBytes: number;
  /** How long a broker may wait for something to come before it answers a fetch, milliseconds: a partition is given up as fast. */
  readonly fetchWaitMs: number;
}

export const kafkaDefaults: KafkaTuning = {
  sessionTimeoutMs: 10_000,
  heartbeatMs: 1000,
  transactionTimeoutMs: 15_000,
  chunkBytes: 1 << 20,
  fetchBytes: 4 << 20,
  fetchWaitMs: 250,
};

/**
 * What a topic's `max.message.bytes` has to be, at least: the largest value that any log takes (`storable.ts`: a dead
 * letter of 17 MiB), its key and headers. The broker's own default is 1 MiB.
 */
export const minMaxMessageBytes = 18 << 20;

/**
 * kafkajs waits so between attempts, milliseconds. Its own first wait of 300 ms would be paid in every transaction: the
 * broker answers CONCURRENT_TRANSACTIONS until the markers of the one before are written, some milliseconds
 * (tulios/kafkajs#304, #430).
 */
export const kafkaRetry: RetryOptions = {
  initialRetryTime: 5,
  multiplier: 1.5,
  factor: 0.2,
  maxRetryTime: 1000,
  // Some 13 s in all.
  retries: 25,
};
