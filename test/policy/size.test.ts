import test from 'ava';
import { compile, maxRulesPerDimension } from '../../policy/compile.ts';
import { sizeOf } from '../../policy/compiled-policy.ts';
import { PolicyError } from '../../policy/issue.ts';
import { builtinDefaults } from '../../policy/model.ts';
import type { Policy, Rule } from '../../policy/model.ts';

// Counts, never times: what grows in proportion to the rules for twice as many is linear.

const like: Rule = {
  dimension: 'file',
  block: 'file',
  list: 'matchPaths',
  index: 0,
  line: 1,
  column: 1,
  subject: { kind: 'path', path: '/a' },
  sources: [],
  ownerOnly: false,
  readOnly: false,
  terminalOnly: false,
  allowedArguments: undefined,
  severity: 1,
  tags: [],
  message: '',
  action: 'Audit',
};

function policyOf(rules: readonly Rule[]): Policy {
  return {
    kind: 'KubeArmorPolicy',
    namespace: 'ns',
    name: 'p',
    file: 'p.yaml',
    selector: { matchLabels: new Map(), matchExpressions: [], containerNames: undefined, hostNames: [] },
    rules: rules.map((rule, index) => ({ ...rule, index })),
    unjudged: [],
  };
}

const context = { rootLinks: null, postures: builtinDefaults.hostPostures } as const;
const inside = (path: string): Rule['subject'] => ({ kind: 'path', path });
const directory = (path: string): Rule['subject'] => ({ kind: 'directory', directory: path, recursive: true });

const shapes: Readonly<Record<string, (count: number) => readonly Rule[]>> = {
  'distinct paths': (count) =>
    Array.from({ length: count }, (_, place) => ({ ...like, subject: inside(`/usr/bin/program-${place}`) })),
  'one path': (count) => Array.from({ length: count }, () => ({ ...like, action: 'Block' })),
  'one path from many sources': (count) =>
    Array.from({ length: count }, (_, place) => ({ ...like, sources: [`/usr/bin/program-${place}`] })),
  'distinct patterns': (count) =>
    Array.from({ length: count }, (_, place) => ({
      ...like,
      list: 'matchPatterns',
      subject: { kind: 'pattern', pattern: `/**/program-${place}/**` },
    })),
  'many Blocks of one directory and many Allows within it': (count) =>
    Array.from({ length: count }, (_, place) =>
      place % 2 === 0
        ? { ...like, subject: directory('/etc/'), action: 'Block' }
        : { ...like, subject: inside(`/etc/file-${place}`), action: 'Allow' },
    ),
  'a Block and an Allow in each of many directories': (count) =>
    Array.from({ length: count }, (_, place) =>
      place % 2 === 0
        ? { ...like, subject: directory(`/srv/${place}/`), action: 'Block' }
        : { ...like, subject: inside(`/srv/${place - 1}/f`), action: 'Allow' },
    ),
};

for (const [title, rulesOf] of Object.entries(shapes)) {
  test(`tables grow linearly: ${title}`, (t) => {
    const once = sizeOf(compile([policyOf(rulesOf(1000))], context));
    const twice = sizeOf(compile([policyOf(rulesOf(2000))], context));
    t.is(twice.rules, 2 * once.rules);
    // Longer numbers in the names are a few states more; 2.3 is far from the 4 of anything quadratic.
    for (const figure of ['states', 'lifts', 'tableBytes'] as const) {
      t.true(twice[figure] <= 2.3 * once[figure] + 64, `${figure}: ${once[figure]}, then ${twice[figure]}`);
    }
  });
}

test('more rules for one target than the limit are refused by name', (t) => {
  const rules = Array.from({ length: maxRulesPerDimension + 1 }, () => like);
  const error = t.throws(() => compile([policyOf(rules)], context), { instanceOf: PolicyError });
  t.is(error.code, 'POLICY_TOO_LARGE');
});
