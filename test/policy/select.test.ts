import test from 'ava';
import type { ExecutionContext } from 'ava';
import type { Target } from '../../policy/model.ts';
import { isPolicy, parsePolicy } from '../../policy/parse.ts';
import { selects } from '../../policy/select.ts';

const labels = { app: 'web', tier: 'front', 'pod-template-hash': 'x', 'kubearmor.io/container.name': 'web' };
const container: Target = { kind: 'container', namespace: 'shop', labels };
const plain: Target = {
  kind: 'container',
  namespace: 'container_namespace',
  labels: { namespaceName: 'container_namespace', 'kubearmor.io/container.name': 'lb' },
};
const host: Target = { kind: 'host', namespace: '', labels: { 'kubearmor.io/hostname': 'node-1', zone: 'a' } };

function selected(t: ExecutionContext, kind: string, spec: string, target: Target, expected: boolean): void {
  const namespace =
    kind === 'KubeArmorPolicy' ? `, namespace: ${target === plain ? 'container_namespace' : 'shop'}` : '';
  const text = `{apiVersion: security.kubearmor.com/v1, kind: ${kind}, metadata: {name: p${namespace}}, spec: ${spec}}`;
  const { policy, issues } = parsePolicy({ text, file: 'p.yaml', firstLine: 1 });
  if (policy === undefined || !isPolicy(policy)) throw new Error(JSON.stringify(issues));
  t.is(selects(policy, target), expected);
}

const ksp = 'KubeArmorPolicy';
const csp = 'KubeArmorClusterPolicy';
const hsp = 'KubeArmorHostPolicy';
const expression = (key: string, operator: string, values: string): string =>
  `{selector: {matchExpressions: [{key: ${key}, operator: ${operator}, values: ${values}}]}}`;
const node = (key: string, value: string): string => `{nodeSelector: {matchLabels: {${key}: "${value}"}}}`;
const byContainer = (value: string): string => `{selector: {matchLabels: {kubearmor.io/container.name: "${value}"}}}`;

test('a policy without a selector selects every pod of its namespace', selected, ksp, '{}', container, true);
test('a policy selects nothing of another namespace', selected, ksp, '{}', { ...container, namespace: 'other' }, false);
test('all labels must be there', selected, ksp, '{selector: {matchLabels: {app: web, tier: front}}}', container, true);
test(
  'one label that differs is enough',
  selected,
  ksp,
  '{selector: {matchLabels: {app: web, tier: back}}}',
  container,
  false,
);
test(
  'a label of the prototype is no label',
  selected,
  ksp,
  '{selector: {matchLabels: {constructor: x}}}',
  container,
  false,
);
test(
  'a label that a rollout makes does not count',
  selected,
  ksp,
  '{selector: {matchLabels: {pod-template-hash: x}}}',
  container,
  false,
);
test(
  'In holds where one value is there',
  selected,
  ksp,
  expression('label', 'In', '[app=db, app=web]'),
  container,
  true,
);
test(
  'NotIn fails where one value is there',
  selected,
  ksp,
  expression('label', 'NotIn', '[app=db, app=web]'),
  container,
  false,
);
test('NotIn holds where none is there', selected, ksp, expression('label', 'NotIn', '[app=db]'), container, true);
test('a container is selected by its name', selected, ksp, byContainer('web'), container, true);
test('a list of containers has it', selected, ksp, byContainer('[db, web]'), container, true);
test('another container of the pod is not selected', selected, ksp, byContainer('[db]'), container, false);
test('an empty list of containers selects all', selected, ksp, byContainer('[]'), container, true);
test('a malformed list of containers selects all', selected, ksp, byContainer('[web, db'), container, true);
test('a container without Kubernetes is selected by name', selected, ksp, byContainer('lb'), plain, true);
test('a namespace policy selects no host', selected, ksp, '{}', { ...host, namespace: 'shop' }, false);
test('a cluster policy without expressions selects every container', selected, csp, '{}', container, true);
test('a cluster policy selects by namespace', selected, csp, expression('namespace', 'In', '[shop]'), container, true);
test(
  'a cluster policy leaves a namespace out',
  selected,
  csp,
  expression('namespace', 'NotIn', '[shop]'),
  container,
  false,
);
test('a cluster policy selects by label', selected, csp, expression('label', 'In', '[tier=front]'), container, true);
test('a cluster policy selects no host', selected, csp, '{}', host, false);
test('a host policy selects by label', selected, hsp, node('zone', 'a'), host, true);
test('a host policy selects no container', selected, hsp, node('app', 'web'), container, false);
test('a host is selected by its name', selected, hsp, node('kubearmor.io/hostname', 'node-1'), host, true);
test(
  'a host is not selected by the beginning of its name',
  selected,
  hsp,
  node('kubearmor.io/hostname', 'node'),
  host,
  false,
);
test('a host is selected by a comma list', selected, hsp, node('kubearmor.io/hostname', 'node-2, node-1'), host, true);
test('a star selects every host', selected, hsp, node('kubearmor.io/hostname', '*'), host, true);
test('a pattern of host names has stars', selected, hsp, node('kubearmor.io/hostnamereg', 'n*-1'), host, true);
test(
  'a pattern of host names is about the whole name',
  selected,
  hsp,
  node('kubearmor.io/hostnamereg', '*-'),
  host,
  false,
);
test(
  'the pieces of a pattern do not overlap',
  selected,
  hsp,
  node('kubearmor.io/hostnamereg', 'node-1*-1'),
  host,
  false,
);

test('a KubeArmorPolicy that names no namespace is for containers without Kubernetes', (t) => {
  const text = '{apiVersion: security.kubearmor.com/v1, kind: KubeArmorPolicy, metadata: {name: p}, spec: {}}';
  const { policy } = parsePolicy({ text, file: 'p.yaml', firstLine: 1 });
  t.true(policy !== undefined && isPolicy(policy) && selects(policy, plain) && !selects(policy, container));
});
