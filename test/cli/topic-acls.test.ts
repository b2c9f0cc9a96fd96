import { spawnSync } from 'node:child_process';
import test from 'ava';
import { createClient } from '@clickhouse/client';
import { flowStages, pipeline } from '../../cli/roles.ts';
import { aclLines, aclsOf, kafkaRoles, type Acl } from '../../cli/topic-acls.ts';
import { enricherStage } from '../../enricher/enricher.ts';
import { matcherStage } from '../../matcher/matcher.ts';
import { topicNames } from '../../schemas/topics.ts';

const options = {
  prefix: 'p.',
  nodes: ['n1', 'n2'],
  rolePrincipal: 'User:palisade-{role}',
  nodePrincipal: 'User:CN={node},O=it’s $(us)',
};
const acls = aclsOf(options);
const of = (principal: string): readonly Acl[] => acls.filter((acl) => acl.principal === principal);
const topicsOf = (principal: string, operation: Acl['operation']): readonly string[] =>
  of(principal).flatMap((acl) =>
    acl.resourceType === 'Topic' && acl.operation === operation ? [acl.resourceName.slice(2)] : [],
  );

test('a node may write raw events, and that is all: no other topic, no group, no transactional id', (t) => {
  for (const node of options.nodes) {
    t.deepEqual(of(`User:CN=${node},O=it’s $(us)`), [
      {
        principal: `User:CN=${node},O=it’s $(us)`,
        operation: 'Write',
        resourceType: 'Topic',
        resourceName: 'p.raw-events',
        patternType: 'Literal',
      },
    ]);
  }
});

test('of the roles only one writes workloads, one policies, and those that judge alerts', (t) => {
  const writersOf = (topic: string): readonly string[] =>
    kafkaRoles()
      .map(({ name }) => name)
      .filter((role) => topicsOf(`User:palisade-${role}`, 'Write').includes(topic));
  t.deepEqual(writersOf('raw-events'), []);
  t.deepEqual(writersOf('workloads'), ['workloads']);
  t.deepEqual(writersOf('policies'), ['policies']);
  t.deepEqual(writersOf('alerts'), ['matcher', 'pipeline']);
  t.deepEqual(writersOf('policy-status'), ['matcher', 'pipeline']);
  t.deepEqual(writersOf('enriched-events'), ['enricher']);
  t.deepEqual(writersOf('enricher-state'), ['enricher', 'pipeline']);
});

test('every role may do what its stages do', (t) => {
  const [, ...sinks] = flowStages(createClient());
  for (const [role, stage] of [
    ['enricher', enricherStage()],
    ['matcher', matcherStage()],
    ['pipeline', pipeline()],
    ...sinks.map((sink) => ['sink', sink] as const),
  ] as const) {
    const principal = `User:palisade-${role}`;
    const reads = 'input' in stage ? [stage.input] : [...stage.inputs, ...stage.tables, ...stage.state];
    const writes = ['dead-letters', 'coverage', ...('outputs' in stage ? stage.outputs : [])];
    for (const topic of reads) t.true(topicsOf(principal, 'Read').includes(topic), `${role} reads ${topic}`);
    for (const topic of writes) t.true(topicsOf(principal, 'Write').includes(topic), `${role} writes ${topic}`);
    const group = of(principal).some((acl) => acl.resourceType === 'Group' && acl.resourceName === `p.${stage.name}`);
    t.true(group, `${role} is a member of ${stage.name}`);
    const lock = of(principal).find(
      (acl) => acl.resourceType === 'TransactionalId' && acl.resourceName === `p.${stage.name}.`,
    );
    t.like(lock, { patternType: 'Prefixed', operation: 'Write' });
  }
});

test('no role may use the transactional ids of another one', (t) => {
  const locks = acls.filter(({ resourceType }) => resourceType === 'TransactionalId');
  for (const lock of locks) {
    const others = locks.filter(({ principal }) => principal !== lock.principal);
    for (const other of others) t.false(other.resourceName.startsWith(lock.resourceName), lock.resourceName);
  }
});

test('whoever holds the topics to their declaration may make and change each, and read none', (t) => {
  t.deepEqual(topicsOf('User:palisade-topics', 'Create'), topicNames);
  t.deepEqual(topicsOf('User:palisade-topics', 'AlterConfigs'), topicNames);
  t.deepEqual(topicsOf('User:palisade-topics', 'Read'), []);
});

test('the lines are what a shell gives to kafka-acls.sh, word for word', (t) => {
  const script = ['kafka-acls.sh() { printf "%s\\n" "$#" "$@"; }', ...aclLines(aclsOf(options), ['a:1', 'b:2'])];
  const { stdout, status } = spawnSync('bash', ['-c', script.join('\n')], { encoding: 'utf8' });
  t.is(status, 0);
  t.deepEqual(stdout.split('\n').slice(0, 12), [
    '11',
    '--bootstrap-server',
    'a:1,b:2',
    '--add',
    '--allow-principal',
    'User:CN=n1,O=it’s $(us)',
    '--topic',
    'p.raw-events',
    '--resource-pattern-type',
    'literal',
    '--operation',
    'Write',
  ]);
  t.true(aclLines(aclsOf(options), undefined).every((line) => line.includes('--bootstrap-server "$KAFKA_BROKERS" ')));
});
