import { enricherStage } from '../enricher/enricher.ts';
import type { ProcessorStage } from '../eventlog/stage.ts';
import { matcherStage } from '../matcher/matcher.ts';
import type { TopicName } from '../schemas/topics.ts';
import { topicNames } from '../schemas/topics.ts';
import { pipeline } from './roles.ts';

/** What one principal may do, by Kafka's names (org.apache.kafka.common.acl, KIP-11 and KIP-290). */
export interface Acl {
  readonly principal: string;
  readonly operation: 'Read' | 'Write' | 'Create' | 'Describe' | 'DescribeConfigs' | 'AlterConfigs';
  readonly resourceType: 'Topic' | 'Group' | 'TransactionalId';
  readonly resourceName: string;
  readonly patternType: 'Literal' | 'Prefixed';
}

export interface AclOptions {
  /** Ahead of topics, groups and transactional ids. */
  readonly prefix: string;
  /** Ids of the nodes that have a collector. */
  readonly nodes: readonly string[];
  /** With `{role}`. */
  readonly rolePrincipal: string;
  /** With `{node}`. */
  readonly nodePrincipal: string;
}

interface Role {
  readonly name: string;
  readonly reads: readonly TopicName[];
  readonly writes: readonly TopicName[];
  /** Consumer groups that it is a member of; it owns their partitions by transactions. */
  readonly groups: readonly string[];
}

/** What every runner writes of its own losses. */
const ofLosses: readonly TopicName[] = ['dead-letters', 'coverage'];

function processorRole(name: string, stage: ProcessorStage): Role {
  return {
    name,
    reads: [...new Set([...stage.inputs, ...stage.tables, ...stage.state])],
    writes: [...new Set([...stage.outputs, ...ofLosses])],
    groups: [stage.name],
  };
}

/** The roles beside the collectors, by the names of `palisade run`. */
export function kafkaRoles(): readonly Role[] {
  return [
    processorRole('enricher', enricherStage()),
    processorRole('matcher', matcherStage()),
    processorRole('pipeline', pipeline()),
    {
      name: 'sink',
      reads: ['alerts', 'coverage'],
      writes: ofLosses,
      groups: ['clickhouse-alerts', 'clickhouse-coverage'],
    },
    { name: 'policies', reads: ['policies'], writes: ['policies'], groups: [] },
    { name: 'workloads', reads: ['workloads'], writes: ['workloads'], groups: [] },
  ];
}

/**
 * Who may say what. A node's principal may write raw events and nothing else: it has no transactional id, since a hung transaction
 * would hold back the readers of its neighbors. Write gives Describe and, from Kafka 3.0, idempotence (KIP-679).
 */
export function aclsOf(options: AclOptions): readonly Acl[] {
  const { prefix, nodes } = options;
  const topic = (principal: string, operation: Acl['operation'], name: TopicName): Acl => ({
    principal,
    operation,
    resourceType: 'Topic',
    resourceName: prefix + name,
    patternType: 'Literal',
  });
  const ofNodes = nodes.map((node) => topic(options.nodePrincipal.replaceAll('{node}', node), 'Write', 'raw-events'));
  const ofRoles = kafkaRoles().flatMap((role) => {
    const principal = options.rolePrincipal.replaceAll('{role}', role.name);
    return [
      ...role.reads.map((name) => topic(principal, 'Read', name)),
      ...role.writes.map((name) => topic(principal, 'Write', name)),
      ...role.groups.flatMap((group): readonly Acl[] => [
        {
          principal,
          operation: 'Read',
          resourceType: 'Group',
          resourceName: prefix + group,
          patternType: 'Literal',
        },
        // `GROUP.TOPICS.PARTITION` each; the dot keeps out a group whose name begins as this one does.
        {
          principal,
          operation: 'Write',
          resourceType: 'TransactionalId',
          resourceName: `${prefix}${group}.`,
          patternType: 'Prefixed',
        },
      ]),
    ];
  });
  const owner = options.rolePrincipal.replaceAll('{role}', 'topics');
  const ofOwner = topicNames.flatMap((name) =>
    (['Create', 'Describe', 'DescribeConfigs', 'AlterConfigs'] as const).map((operation) =>
      topic(owner, operation, name),
    ),
  );
  return [...ofNodes, ...ofRoles, ...ofOwner];
}

/**
 * Lines of kafka-acls.sh, one for each principal and resource. `brokers` where they are known; else the shell's variable
 * KAFKA_BROKERS.
 */
export function aclLines(acls: readonly Acl[], brokers: readonly string[] | undefined): readonly string[] {
  const lines = new Map<string, string[]>();
  for (const { principal, operation, resourceType, resourceName, patternType } of acls) {
    const option = { Topic: '--topic', Group: '--group', TransactionalId: '--transactional-id' }[resourceType];
    const resource = `${option} ${quoted(resourceName)} --resource-pattern-type ${patternType.toLowerCase()}`;
    const line = `--allow-principal ${quoted(principal)} ${resource}`;
    const operations = lines.get(line) ?? [];
    operations.push(`--operation ${operation}`);
    lines.set(line, operations);
  }
  const server = brokers === undefined ? '"$KAFKA_BROKERS"' : quoted(brokers.join(','));
  return [...lines].map(
    ([line, operations]) => `kafka-acls.sh --bootstrap-server ${server} --add ${line} ${operations.join(' ')}`,
  );
}

/** One word of a POSIX shell. */
function quoted(text: string): string {
  return /^[A-Za-z0-9._:,/=@-]+$/u.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
