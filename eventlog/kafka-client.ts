import { promisify } from 'node:util';
import { constants, zstdCompress, zstdDecompress } from 'node:zlib';
import kafkajs, { type Cluster, type Kafka, type LogEntry } from 'kafkajs';
import { kafkaRetry, type KafkaConnection } from './kafka-config.ts';

/*
 * The one place that makes kafkajs's objects. 2.2.4 is its last release; what it does badly is met in the files that use
 * it, each trap with a test in test/kafka/.
 */

/** Milliseconds for a connection, and for an answer; a fetch may take `fetchWaitMs` longer. */
const connectionTimeoutMs = 5000;
const requestTimeoutMs = 30_000;

/** A client with our retries and the zstd codec. Connects to nobody by itself. */
export function createKafka(connection: KafkaConnection): Kafka {
  registerZstd();
  const { brokers, clientId, ssl, sasl, logger, retries } = connection;
  return new kafkajs.Kafka({
    brokers: [...brokers],
    clientId,
    ...(ssl === undefined ? {} : { ssl }),
    ...(sasl === undefined ? {} : { sasl }),
    connectionTimeout: connectionTimeoutMs,
    requestTimeout: requestTimeoutMs,
    // The client's retry governs InitProducerId, sendOffsets and connections, whatever a producer is given.
    retry: { ...kafkaRetry, ...(retries === undefined ? {} : { retries }) },
    logLevel: logger === undefined ? kafkajs.logLevel.NOTHING : kafkajs.logLevel.INFO,
    logCreator: () => (entry: LogEntry) => {
      // Its levels are not ours: it logs an error for each attempt that it then repeats by itself.
      logger?.debug({ kafkajs: { ...entry.log, namespace: entry.namespace } }, entry.log.message);
    },
  });
}

/**
 * A view of the cluster that reads any partition from any offset. kafkajs has no consumer without a group
 * (tulios/kafkajs#373), but hands its cluster to whoever makes an assigner: this consumer is never run and joins nothing.
 * Offsets that `fetchTopicsOffset` gives are high watermarks. To be connected and disconnected.
 */
export function createCluster(kafka: Kafka): Cluster {
  let found: Cluster | undefined;
  kafka.consumer({
    groupId: 'never-run',
    allowAutoTopicCreation: false,
    readUncommitted: true,
    partitionAssigners: [
      ({ cluster }) => {
        found = cluster;
        const unused = (): never => {
          throw new Error('a consumer that is never run assigns nothing');
        };
        return { name: 'unused', version: 0, assign: unused, protocol: unused };
      },
    ],
  });
  if (found === undefined) throw new Error('kafkajs did not make its assigners with the consumer');
  return found;
}

/** kafkajs keeps its codecs in one object for the whole process: setting ours again changes nothing. */
function registerZstd(): void {
  kafkajs.CompressionCodecs[kafkajs.CompressionTypes.ZSTD] = () => zstdCodec;
}

const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);

const zstdCodec = {
  /** Level 1: higher ones gain a few percent of size for twice the time. */
  compress: (encoder: { readonly buffer: Buffer }): Promise<Buffer> =>
    compress(encoder.buffer, { params: { [constants.ZSTD_c_compressionLevel]: 1 } }),
  decompress: (bytes: Buffer): Promise<Buffer> => decompress(bytes),
};
