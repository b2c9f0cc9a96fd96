import path from 'node:path';
import { z } from 'zod';

/** Kafka's own limit is 249 characters for a topic; ours have up to 15. */
const maxPrefixCharacters = 200;
const file = z
  .string()
  .min(1)
  .refine((text) => path.isAbsolute(text), 'must be an absolute path')
  .optional();
const wholeNumber = (lowest: number, highest: number) =>
  z
    .union([z.number(), z.string().regex(/^\d{1,9}$/u)])
    .transform(Number)
    .refine(
      (number) => Number.isInteger(number) && number >= lowest && number <= highest,
      `must be a whole number from ${lowest} to ${highest}`,
    );
const isBroker = (text: string): boolean => {
  const port = /^(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]):(\d{1,5})$/u.exec(text)?.[1];
  return port !== undefined && Number(port) >= 1 && Number(port) <= 65_535;
};
const secret = (what: string) =>
  z
    .string()
    .min(1)
    .max(4096)
    .optional()
    .meta({
      description: `${what} Not a flag, since everybody on the machine sees those.`,
      default: 'none',
      secret: true,
    });

/** How to reach the cluster, and what is ours in it. */
export const kafkaConnectionSchema = {
  kafkaBrokers: z
    .union([z.string().transform((text) => text.split(',').map((broker) => broker.trim())), z.array(z.string())])
    .refine((brokers) => brokers.length <= 100 && brokers.every(isBroker), 'must be HOST:PORT, several with commas')
    .optional()
    .meta({
      description: 'Brokers of the Kafka cluster, `HOST:PORT` separated by commas; one that answers is enough.',
      default: 'none',
    }),
  kafkaPrefix: z
    .string()
    .max(maxPrefixCharacters)
    .regex(/^[A-Za-z0-9._-]*$/u, 'must be letters, digits, dots, dashes or underscores')
    .meta({
      description: 'Ahead of the names of topics, groups and transactional ids: one cluster may hold several of us.',
      default: 'none',
    }),
  kafkaTls: z.enum(['off', 'on']).meta({
    description: 'Whether connections to the brokers are encrypted and the brokers prove who they are.',
    default: '`off`',
  }),
  kafkaCaFile: file.meta({
    description: 'Certificates, in PEM, of the authorities that the brokers are believed by.',
    default: 'those that come with Node',
  }),
  kafkaCertificateFile: file.meta({
    description: 'Our own certificate, in PEM, for brokers that ask for one.',
    default: 'none',
  }),
  kafkaKeyFile: file.meta({ description: 'The key of our own certificate, in PEM.', default: 'none' }),
  kafkaSasl: z.enum(['none', 'plain', 'scram-sha-256', 'scram-sha-512']).meta({
    description: 'How we prove who we are to the brokers. `plain` sends the password: use it with TLS.',
    default: '`none`',
  }),
  kafkaUsername: z.string().min(1).max(255).optional().meta({ description: 'Our name for SASL.', default: 'none' }),
  kafkaPassword: secret('Our password for SASL.'),
} as const;

/** What topics are made like. */
const topicSchema = {
  topicPartitions: wholeNumber(1, 1000).meta({
    description:
      'Partitions of each topic that is divided by node. Part of the contract: it is not raised later, since keys, state and transactional ids hang on it.',
    default: '`32`',
  }),
  topicReplicas: wholeNumber(1, 15).meta({
    description: 'Brokers that hold each topic.',
    default: '`3`',
  }),
  topicMinInsyncReplicas: wholeNumber(1, 15).meta({
    description: 'Brokers that must have a record before it counts as written. No more than there are replicas.',
    default: '`2`, or `1` where there are fewer than three replicas',
  }),
} as const;

/** The settings of what works on Kafka, beside those of config.ts. docs/configuration.md is made from this. */
export const kafkaSchema = { ...kafkaConnectionSchema, ...topicSchema } as const;

export type KafkaKey = keyof typeof kafkaSchema;
export const kafkaKeys = Object.keys(kafkaSchema) as readonly KafkaKey[];
