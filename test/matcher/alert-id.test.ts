import fc from 'fast-check';
import test from 'ava';
import { alertId, type AlertIdentity } from '../../matcher/alert-id.ts';
import type { RuleReference } from '../../schemas/generated.ts';

const rule: RuleReference = {
  policyKind: 'KubeArmorPolicy',
  policyNamespace: 'n',
  policyName: 'p',
  action: 'Block',
  block: 'file',
  list: 'matchPaths',
  index: 0,
  file: 'a.yaml',
  line: 3,
  column: 9,
};
const identity: AlertIdentity = {
  nodeId: 'n1',
  bootId: 'b1',
  session: 1n,
  cpu: 0,
  sequence: 1,
  rule,
  dimension: 'file',
};

test('each part of the event and of the rule makes another id', (t) => {
  const changed: AlertIdentity[] = [
    identity,
    { ...identity, nodeId: 'n2' },
    { ...identity, bootId: 'b2' },
    { ...identity, session: 2n },
    { ...identity, cpu: 1 },
    { ...identity, sequence: 2 },
    { ...identity, rule: undefined },
    { ...identity, rule: undefined, dimension: 'process' },
    { ...identity, rule: { ...rule, policyKind: 'KubeArmorClusterPolicy' } },
    { ...identity, rule: { ...rule, policyNamespace: 'm' } },
    { ...identity, rule: { ...rule, policyName: 'q' } },
    { ...identity, rule: { ...rule, block: 'process' } },
    { ...identity, rule: { ...rule, list: 'matchDirectories' } },
    { ...identity, rule: { ...rule, index: 1 } },
  ];
  t.is(new Set(changed.map(alertId)).size, changed.length);
});

test('where a rule stands in its file is not in the id', (t) => {
  t.is(alertId({ ...identity, rule: { ...rule, line: 99, column: 1, file: 'b.yaml' } }), alertId(identity));
});

test('names that run together are told apart', (t) => {
  const property = fc.property(fc.string(), fc.string(), fc.string(), fc.string(), (a, b, c, d) => {
    fc.pre(a !== c || b !== d);
    t.not(alertId({ ...identity, nodeId: a, bootId: b }), alertId({ ...identity, nodeId: c, bootId: d }));
  });
  fc.assert(property);
});
