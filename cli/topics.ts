import type { Admin } from 'kafkajs';
import { EventLogError } from '../eventlog/errors.ts';
import { connectAdmin, createTopics } from '../eventlog/kafka-admin.ts';
import type { KafkaConnection } from '../eventlog/kafka-config.ts';
import { changeTopicSettings, countBrokers, describeTopics } from '../eventlog/kafka-topics.ts';
import { printable } from '../runtime/printable.ts';
import type { TopicPlan } from '../schemas/topic-plan.ts';
import { exitCodes, type ExitCode } from './exit-codes.ts';
import { jsonText } from './json-text.ts';
import { differencesOf, type Difference } from './topic-drift.ts';

export interface TopicsOptions {
  readonly connection: KafkaConnection;
  readonly prefix: string;
  readonly plans: readonly TopicPlan[];
  readonly json: boolean;
  readonly write: (text: string) => void;
  /** For what went wrong. */
  readonly complain: (text: string) => void;
}

interface TopicReport {
  /** As the cluster has it, with the prefix. */
  readonly topic: string;
  readonly made: readonly Difference[];
  readonly left: readonly Difference[];
}

/** Says in what the cluster's topics are not as they are declared. Changes nothing. */
export function checkTopics(options: TopicsOptions): Promise<ExitCode> {
  return withAdmin(options, async (admin) => {
    const reports = await compare(admin, options);
    return reports.map(({ topic, differences }) => ({ topic, made: [], left: differences }));
  });
}

/** Makes them so as far as nothing that is stored can be lost by it, and says what it left and why. */
export function applyTopics(options: TopicsOptions): Promise<ExitCode> {
  return withAdmin(options, async (admin) => {
    const before = await compare(admin, options);
    const missing = before.filter(({ differences }) => differences.some(({ what }) => what === 'topic'));
    if (missing.length > 0) await create(admin, missing);
    for (const { topic, differences } of before) {
      const settings = differences.filter(({ what, refused }) => refused === undefined && what !== 'topic');
      if (settings.length === 0) continue;
      await changeTopicSettings(admin, topic, Object.fromEntries(settings.map(({ what, wants }) => [what, wants])));
    }
    // What a cluster's own policy made of it counts, not what was asked for.
    const after = new Map((await compare(admin, options)).map(({ topic, differences }) => [topic, differences]));
    return before.map(({ topic, differences }) => {
      const left = after.get(topic) ?? [];
      const made = differences.filter(({ what }) => !left.some((other) => other.what === what));
      return { topic, made, left };
    });
  });
}

interface Comparison {
  readonly topic: string;
  readonly plan: TopicPlan;
  readonly differences: readonly Difference[];
}

async function compare(admin: Admin, { plans, prefix }: TopicsOptions): Promise<readonly Comparison[]> {
  const names = plans.map((plan) => prefix + plan.topic);
  const present = await describeTopics(admin, names);
  return plans.map((plan) => {
    const topic = prefix + plan.topic;
    return { topic, plan, differences: differencesOf(plan, present.get(topic)) };
  });
}

async function create(admin: Admin, missing: readonly Comparison[]): Promise<void> {
  const brokers = await countBrokers(admin);
  const replicas = Math.max(...missing.map(({ plan }) => plan.replicas));
  if (replicas > brokers) {
    throw new EventLogError(
      'EVENT_LOG_FAILED',
      `the cluster has ${brokers} broker${brokers === 1 ? '' : 's'}, too few for ${replicas} replicas: ` +
        `add brokers, or give --topic-replicas ${brokers}`,
    );
  }
  const configs = missing.map(({ topic, plan }) => ({
    topic,
    numPartitions: plan.partitions,
    replicationFactor: plan.replicas,
    configEntries: Object.entries(plan.settings).map(([name, value]) => ({ name, value })),
  }));
  await createTopics(admin, configs);
}

async function withAdmin(
  options: TopicsOptions,
  act: (admin: Admin) => Promise<readonly TopicReport[]>,
): Promise<ExitCode> {
  let reports: readonly TopicReport[];
  try {
    await using admin = await connectAdmin(options.connection);
    reports = await act(admin);
  } catch (error) {
    // Apart from a cluster that answers and is not as declared: scripts hang on the exit code.
    if (!(error instanceof EventLogError)) throw error;
    options.complain(`palisade: ${printable(error.message)} [${error.code}]\n`);
    return exitCodes.unavailable;
  }
  const asDeclared = reports.every(({ left }) => left.length === 0);
  options.write(options.json ? `${jsonText({ asDeclared, topics: reports })}\n` : reports.map(textOf).join(''));
  return asDeclared ? exitCodes.done : exitCodes.failed;
}

function textOf({ topic, made, left }: TopicReport): string {
  const lines = [
    ...made.map(({ what, has, wants }) => (what === 'topic' ? 'made' : `${what} was ${has}, is now ${wants}`)),
    ...left.map(({ what, has, wants, refused }) => {
      const is = what === 'topic' ? 'is missing' : `${what} is ${has}, should be ${wants}`;
      return refused === undefined ? is : `${is}; left as it is: ${refused}`;
    }),
  ];
  return `${printable(topic)}: ${lines.length === 0 ? 'as declared' : lines.join(`\n${' '.repeat(topic.length + 2)}`)}\n`;
}
