import { readFileSync } from 'node:fs';
import type { KafkaConnection } from '../eventlog/kafka-config.ts';
import {
  ConfigError,
  configSchema,
  defaultDataDirectory,
  defaultRetentionAge,
  resolveSettings,
  type ConfigSources,
  type Settings,
} from './config.ts';
import { kafkaConnectionSchema, kafkaSchema, type KafkaKey } from './kafka-settings.ts';

/** Of every command that works on Kafka. */
const connectionDefaults = { kafkaPrefix: '', kafkaTls: 'off', kafkaSasl: 'none' } as const;

/** The settings of a command that works on Kafka's topics. */
export const topicsSchema = { ...kafkaSchema, retentionAge: configSchema.retentionAge } as const;
export type TopicsConfig = Settings<typeof topicsSchema>;

/** Throws ConfigError. */
export function resolveTopicsConfig(sources: ConfigSources): TopicsConfig {
  const replicas = resolveSettings({ topicReplicas: kafkaSchema.topicReplicas }, sources, { topicReplicas: 3 });
  const config = resolveSettings(topicsSchema, sources, {
    ...connectionDefaults,
    topicPartitions: 32,
    topicReplicas: 3,
    // With three of them one may be away and what is written is still on two.
    topicMinInsyncReplicas: replicas.topicReplicas >= 3 ? 2 : 1,
    retentionAge: defaultRetentionAge,
  });
  if (config.topicMinInsyncReplicas > config.topicReplicas) {
    const { topicMinInsyncReplicas: needed, topicReplicas } = config;
    throw invalid(
      'topicMinInsyncReplicas',
      `asks for ${needed} of ${topicReplicas} replicas: nothing could be written`,
    );
  }
  return config;
}

/** The settings of `palisade run` for every role. */
export const runSchema = kafkaConnectionSchema;
/** The settings of `palisade run sink`, which has an engine of its own. */
export const runSinkSchema = { ...runSchema, dataDirectory: configSchema.dataDirectory } as const;
export type RunConfig = Settings<typeof runSchema>;

/** Throws ConfigError. */
export function resolveRunConfig(sources: ConfigSources): RunConfig {
  return resolveSettings(runSchema, sources, connectionDefaults);
}

/** Throws ConfigError. */
export function resolveRunSinkConfig(sources: ConfigSources, isRoot: boolean): Settings<typeof runSinkSchema> {
  const dataDirectory = defaultDataDirectory(sources.environment, isRoot);
  return resolveSettings(runSinkSchema, sources, { ...connectionDefaults, dataDirectory });
}

/** How to reach the cluster. Reads the files of certificates. Throws ConfigError. */
export function kafkaConnection(config: RunConfig, clientId: string): KafkaConnection {
  const { kafkaBrokers, kafkaTls, kafkaSasl, kafkaUsername, kafkaPassword } = config;
  if (kafkaBrokers === undefined) throw invalid('kafkaBrokers', 'is needed: it names the Kafka cluster, HOST:PORT');
  const connection = { brokers: kafkaBrokers, clientId, ...tlsOf(config) };
  if (kafkaSasl === 'none') {
    for (const key of ['kafkaUsername', 'kafkaPassword'] as const) {
      if (config[key] !== undefined) throw invalid(key, 'is given and kafkaSasl is not: nobody would ask for it');
    }
    return connection;
  }
  if (kafkaUsername === undefined) throw invalid('kafkaUsername', `is needed with kafkaSasl ${kafkaSasl}`);
  if (kafkaPassword === undefined) {
    throw invalid('kafkaPassword', `is needed with kafkaSasl ${kafkaSasl}: in the file, or as PALISADE_KAFKA_PASSWORD`);
  }
  if (kafkaTls === 'off' && kafkaSasl === 'plain' && !kafkaBrokers.every(isLoopback)) {
    throw invalid('kafkaSasl', 'plain would send the password over the network as it is: turn kafkaTls on');
  }
  return { ...connection, sasl: { mechanism: kafkaSasl, username: kafkaUsername, password: kafkaPassword } };
}

function tlsOf(config: RunConfig): Pick<KafkaConnection, 'ssl'> {
  const { kafkaTls, kafkaCaFile, kafkaCertificateFile, kafkaKeyFile } = config;
  if (kafkaTls === 'off') {
    for (const key of ['kafkaCaFile', 'kafkaCertificateFile', 'kafkaKeyFile'] as const) {
      if (config[key] !== undefined) throw invalid(key, 'is given and kafkaTls is off');
    }
    return {};
  }
  if ((kafkaCertificateFile === undefined) !== (kafkaKeyFile === undefined)) {
    throw invalid(kafkaKeyFile === undefined ? 'kafkaKeyFile' : 'kafkaCertificateFile', 'is needed beside the other');
  }
  const ca = pem('kafkaCaFile', kafkaCaFile);
  const cert = pem('kafkaCertificateFile', kafkaCertificateFile);
  const key = pem('kafkaKeyFile', kafkaKeyFile);
  return { ssl: { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) } };
}

/** Of a file's content: Node says only at the handshake what it can't use, and does not say of which file. */
function pem(key: KafkaKey, file: string | undefined): string | undefined {
  if (file === undefined) return undefined;
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw invalid(key, `can't be read: ${cause instanceof Error ? cause.message : String(cause)}`, cause);
  }
  if (!text.includes('-----BEGIN ')) throw invalid(key, `has nothing in PEM: ${file}`);
  return text;
}

function isLoopback(broker: string): boolean {
  return /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\]):/u.test(broker);
}

function invalid(key: KafkaKey, problem: string, cause?: unknown): ConfigError {
  return new ConfigError(key, 'configuration', problem, { cause });
}
