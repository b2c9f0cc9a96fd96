import type { Kafka } from 'kafkajs';
import type { Logger } from '../runtime/logger.ts';
import { createKafka } from './kafka-client.ts';
import { kafkaDefaults, type KafkaLogOptions, type KafkaTuning } from './kafka-config.ts';
import { KafkaFetcher } from './kafka-fetcher.ts';
import { KafkaLookups } from './kafka-lookups.ts';
import { MessageMaker } from './kafka-record.ts';
import { createSingleObjectFormat, type WireFormat } from './wire-format.ts';

/** What the parts of one Kafka log share. */
export interface KafkaServices {
  readonly kafka: Kafka;
  readonly prefix: string;
  readonly tuning: KafkaTuning;
  readonly format: WireFormat;
  readonly maker: MessageMaker;
  readonly lookups: KafkaLookups;
  /** For what is there already; whoever waits for records to come has one of their own. */
  readonly fetcher: KafkaFetcher;
  readonly logger: Logger | undefined;
  /** Aborts when the log is closed. */
  readonly closing: AbortSignal;
}

export function createServices(options: KafkaLogOptions, closing: AbortSignal): KafkaServices {
  const { prefix, logger } = options;
  const kafka = createKafka(options);
  const tuning = { ...kafkaDefaults, ...options.tuning };
  const format = options.format ?? createSingleObjectFormat();
  return {
    kafka,
    prefix,
    tuning,
    format,
    maker: new MessageMaker(options.producer),
    lookups: new KafkaLookups(kafka, prefix, closing),
    fetcher: new KafkaFetcher(kafka, { prefix, bytes: tuning.fetchBytes, format, signal: closing }),
    logger,
    closing,
  };
}
