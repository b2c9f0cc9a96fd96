import { Argument, InvalidArgumentError, type Command } from 'commander';
import process from 'node:process';
import { selfContainedSchema } from '../schemas/self-contained.ts';
import { topicPlans } from '../schemas/topic-plan.ts';
import { topicNames, type TopicName } from '../schemas/topics.ts';
import { configSchema, type ConfigSources } from './config.ts';
import { exitCodes, type ExitCode } from './exit-codes.ts';
import { jsonText } from './json-text.ts';
import { kafkaConnection, resolveTopicsConfig, topicsSchema, type TopicsConfig } from './kafka-config.ts';
import { withSettings } from './setting-flags.ts';
import type { TopicsOptions } from './topics.ts';

interface TopicsCommandOptions {
  readonly program: Command;
  readonly end: (code: ExitCode) => void;
  readonly write: (text: string) => void;
}

type Flags = Readonly<Record<string, unknown>> & { readonly json?: true; readonly config?: string };

interface AclFlags extends Flags {
  readonly node?: readonly string[];
  readonly rolePrincipal: string;
  readonly nodePrincipal: string;
}

/** More lines than this are better made from the JSON, and fewer fit a command line. */
const maxNodes = 10_000;

/** Adds `palisade topics`. */
export function addTopics({ program, end, write }: TopicsCommandOptions): void {
  const topics = program
    .command('topics')
    .description("Hold a Kafka cluster's topics to their declaration, and say who may write what.")
    .exitOverride();
  const command = (name: string, description: string): Command =>
    withSettings(topics.command(name).description(description).exitOverride(), topicsSchema);

  command('check', 'Say in what the topics of the cluster are not as they are declared. Changes nothing.')
    .option('--json', 'print one JSON object')
    .addHelpText('after', exitHelp)
    .action(async (flags: Flags) => {
      const { checkTopics } = await import('./topics.ts');
      end(await checkTopics(optionsFrom(flags, write)));
    });
  command('apply', 'Create what is missing and change what can be changed without loss; say what is left, and why.')
    .option('--json', 'print one JSON object')
    .addHelpText('after', exitHelp)
    .action(async (flags: Flags) => {
      const { applyTopics } = await import('./topics.ts');
      end(await applyTopics(optionsFrom(flags, write)));
    });
  topics
    .command('schema')
    .addArgument(new Argument('<topic>').choices(topicNames))
    .description("Print the Avro schema of a topic's values in one piece, for programs that read it.")
    .exitOverride()
    .action((topic: TopicName) => {
      write(`${selfContainedSchema(topic)}\n`);
      end(exitCodes.done);
    });
  command('acls', "Print who may do what as Kafka's ACLs: lines of kafka-acls.sh. Asks no cluster.")
    .option('--node <id...>', 'nodes whose collectors may write raw events', nodesFrom)
    .option('--role-principal <principal>', 'who a role is to Kafka', principalWith('{role}'), 'User:palisade-{role}')
    .option(
      '--node-principal <principal>',
      "who a node's collector is to Kafka",
      principalWith('{node}'),
      'User:palisade-node-{node}',
    )
    .option('--json', 'print a JSON array, one object an ACL')
    .action(async (flags: AclFlags) => {
      const { aclLines, aclsOf } = await import('./topic-acls.ts');
      const config = configFrom(flags);
      const { rolePrincipal, nodePrincipal } = flags;
      const acls = aclsOf({ prefix: config.kafkaPrefix, nodes: flags.node ?? [], rolePrincipal, nodePrincipal });
      if (flags.json === true) write(`${jsonText(acls)}\n`);
      else write(`${aclLines(acls, config.kafkaBrokers).join('\n')}\n`);
      end(exitCodes.done);
    });
}

const exitHelp = `
Ends with 0 where every topic is as declared, with 1 where one is not, with 69 where the cluster does not answer or refuses.
The password is not a flag: put kafkaPassword into the file, or PALISADE_KAFKA_PASSWORD into the environment.
`;

function optionsFrom(flags: Flags, write: (text: string) => void): TopicsOptions {
  const config = configFrom(flags);
  return {
    connection: kafkaConnection(config, 'palisade-topics'),
    prefix: config.kafkaPrefix,
    plans: topicPlans({
      partitions: config.topicPartitions,
      replicas: config.topicReplicas,
      minInsyncReplicas: config.topicMinInsyncReplicas,
      retentionMs: config.retentionAge,
    }),
    json: flags.json === true,
    write,
    complain: (text) => process.stderr.write(text),
  };
}

function configFrom(flags: Flags): TopicsConfig {
  const file = flags.config ?? process.env['PALISADE_CONFIG'];
  const sources: ConfigSources = { flags, environment: process.env, file };
  return resolveTopicsConfig(sources);
}

function nodesFrom(id: string, before: readonly string[] = []): readonly string[] {
  if (!configSchema.nodeId.safeParse(id).success) {
    throw new InvalidArgumentError(
      'Give ids as nodeId has them: 1 to 63 letters, digits, dots, dashes or underscores.',
    );
  }
  if (before.length >= maxNodes) throw new InvalidArgumentError(`Give at most ${maxNodes} nodes.`);
  return [...before, id];
}

function principalWith(place: string): (text: string) => string {
  return (text) => {
    // Kafka's principals are TYPE:NAME. A line break would end the printed command.
    if (/^[A-Za-z]+:[^\p{C}]{1,250}$/u.test(text) && text.includes(place)) return text;
    throw new InvalidArgumentError(`Give TYPE:NAME with ${place} in it, such as User:palisade-${place}.`);
  };
}
