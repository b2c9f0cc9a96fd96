import test from 'ava';
import fc from 'fast-check';
import { renderIssues } from '../../policy/issue.ts';
import type { PalisadeDefaults, Policy } from '../../policy/model.ts';
import { isPolicy, parsePolicy } from '../../policy/parse.ts';
import { splitDocuments } from '../../policy/split-documents.ts';
import { maxDocumentLength, maxIssues, readYaml } from '../../policy/yaml-tree.ts';

const head = 'apiVersion: security.kubearmor.com/v1\nkind: KubeArmorPolicy\nmetadata: { name: p, namespace: ns }\n';

function parsed(text: string): Policy {
  const { policy, issues } = parsePolicy({ text, file: 'p.yaml', firstLine: 1 });
  if (policy === undefined || !isPolicy(policy)) throw new Error(JSON.stringify(issues));
  return policy;
}

function messagesOf(text: string): readonly string[] {
  return parsePolicy({ text, file: 'p.yaml', firstLine: 1 }).issues.map(({ message }) => message);
}

test('severity, tags, message and action are inherited one by one from rule, block and spec', (t) => {
  const { rules } = parsed(`${head}spec:
  severity: 7
  tags: [spec]
  message: of the spec
  action: Audit
  file:
    severity: 5
    message: of the block
    matchPaths:
      - path: /a
      - { path: /b, severity: 0, tags: [], message: '', action: Block }
      - { path: /c, severity: 3, tags: [rule], message: of the rule }
`);
  const inherited = rules.map(({ severity, tags, message, action }) => [severity, tags, message, action]);
  t.deepEqual(inherited, [
    [5, ['spec'], 'of the block', 'Audit'],
    [5, ['spec'], 'of the block', 'Block'],
    [3, ['rule'], 'of the rule', 'Audit'],
  ]);
});

test('a spec that gives neither action nor severity blocks with the lowest severity', (t) => {
  const [rule] = parsed(`${head}spec: { file: { matchPaths: [{ path: /a }] } }`).rules;
  t.is(rule?.action, 'Block');
  t.is(rule?.severity, 1);
});

test('every rule knows its list, index, line and column in the file', (t) => {
  const text = `${head}spec:
  process:
    matchDirectories:
      - dir: /a/
        recursive: true
    matchPaths:
      - path: /b
      - execname: c
`;
  const { policy } = parsePolicy({ text, file: 'p.yaml', firstLine: 101 });
  const places =
    policy !== undefined && isPolicy(policy)
      ? policy.rules.map(({ list, index, line, column }) => `${list}[${index}] ${line}:${column}`)
      : [];
  t.deepEqual(places, ['matchPaths[0] 110:9', 'matchPaths[1] 111:9', 'matchDirectories[0] 107:9']);
});

test('conditions of a rule are read', (t) => {
  const [one, other] = parsed(`${head}spec:
  process:
    matchPaths:
      - { path: /a, ownerOnly: true, pts: false, allowedArgs: [-l], fromSource: [{ path: /bin/sh }, { path: /bin/ash }] }
      - { path: /b, pts: true, allowedArgs: [] }
`).rules;
  t.like(one, { ownerOnly: true, terminalOnly: true, allowedArguments: ['-l'], sources: ['/bin/sh', '/bin/ash'] });
  t.like(other, { ownerOnly: false, terminalOnly: false, allowedArguments: undefined, sources: [] });
});

test('execname wins over path, with a warning', (t) => {
  const text = `${head}spec: { process: { matchPaths: [{ path: /a, execname: b }] } }`;
  t.deepEqual(parsed(text).rules[0]?.subject, { kind: 'name', name: 'b' });
  t.deepEqual(messagesOf(text), ['`execname` wins over `path`, so the path has no effect.']);
});

test('a path that is not clean is read as the kernel knows it, with a warning', (t) => {
  const text = `${head}spec: { file: { matchPaths: [{ path: //etc/./x/../passwd }], matchDirectories: [{ dir: /etc/.. }] } }`;
  t.regex(messagesOf(text).join('\n'), /read as \/etc\/passwd/);
});

test('defaults carry cluster name and postures', (t) => {
  const text = `apiVersion: palisade/v1
kind: PalisadeDefaults
metadata: { name: d }
spec: { cluster: c, defaultFilePosture: block, untrackedNs: [a, b], defaultNetworkPosture: block, hostDefaultCapabilitiesPosture: block }
`;
  const { policy, issues } = parsePolicy({ text, file: 'd.yaml', firstLine: 1 });
  const expected: PalisadeDefaults = {
    kind: 'PalisadeDefaults',
    name: 'd',
    clusterName: 'c',
    containerPostures: { process: 'block', file: 'block', network: 'block', dns: 'block', capabilities: 'audit' },
    hostPostures: { process: 'audit', file: 'audit', network: 'audit', dns: 'audit', capabilities: 'block' },
    untrackedNamespaces: ['a', 'b'],
  };
  t.deepEqual(policy, expected);
  t.deepEqual(issues, []);
});

test('an alias stands for what it names', (t) => {
  const text = `${head}spec:
  process: { matchPaths: [{ path: /a, fromSource: &shells [{ path: /bin/sh }] }, { path: /b, fromSource: *shells }] }`;
  t.deepEqual(
    parsed(text).rules.map(({ sources }) => sources),
    [['/bin/sh'], ['/bin/sh']],
  );
});

const bomb = Array.from({ length: 30 }, (_, place) =>
  place === 0 ? 'a0: &a0 [x]' : `a${place}: &a${place} [${`*a${place - 1}, `.repeat(9)}]`,
).join('\n');

const hostile: Readonly<Record<string, readonly [string, RegExp]>> = {
  'a bomb of aliases': [bomb, /more than 200000 values/],
  'an alias of what it stands in': ['a: &a [*a]', /nested more than/],
  'an alias without an anchor': ['a: *b', /anchor/],
  'ten megabytes': [`a: ${'x'.repeat(10 * 1024 * 1024)}`, /the limit is/],
  'brackets without end': ['['.repeat(100_000), /not valid YAML|nested more/],
  'maps nested without end': ['{a: '.repeat(20_000), /not valid YAML|nested more/],
  'a binary tag': ['kind: !!binary aGVsbG8=', /not valid YAML|tag|neither/],
  'a tag of its own': ['kind: !run x', /tag|not valid YAML/],
  'a merge key': ['<<: {kind: x}', /Merge keys/],
  'a list': ['- a', /kind/],
  'a lone text': ['hello', /kind/],
  nothing: ['', /empty/],
  'a comment': ['# hello', /empty/],
  'two documents': ['a: 1\n---\nb: 1', /not valid YAML/],
  'a key that is a list': ['[a]: 1', /key must be text/],
  'NUL in a path': [`${head}spec: {file: {matchPaths: [{path: "/a\\0b"}]}}`, /NUL/],
};

for (const [title, [text, expected]] of Object.entries(hostile)) {
  test(`refused with a clear error: ${title}`, (t) => {
    const { policy, issues } = parsePolicy({ text, file: 'p.yaml', firstLine: 1 });
    t.is(policy, undefined);
    t.true(issues.length > 0 && issues.length <= 2 * maxIssues);
    t.regex(issues.map(({ message }) => message).join('\n'), expected);
  });
}

test('an error is told however many warnings came before it', (t) => {
  const unknown = Array.from({ length: 3 * maxIssues }, (_, place) => `  unknown${place}: 1\n`).join('');
  const { policy, issues } = parsePolicy({
    text: `${head}spec:\n${unknown}  action: 1\n`,
    file: 'p.yaml',
    firstLine: 1,
  });
  t.is(policy, undefined);
  t.is(issues.length, maxIssues + 1);
  t.is(issues.at(-1)?.field, 'spec.action');
});

test('any text gives a policy or an error, and can be printed', (t) => {
  const fragment = fc.constantFrom(
    ...[
      'spec:',
      'process:',
      'matchPaths:',
      '- path: /a',
      '- ',
      '{',
      '}',
      '[',
      ']',
      '&a ',
      '*a ',
      '\n',
      '  ',
      ': ',
      '"',
      "'",
      '|',
      '---',
      '#',
      '\t',
      '\u202e',
      '\0',
      '!!',
      '<<',
    ],
  );
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(fragment, { maxLength: 40 }).map((parts) => parts.join('')),
  );
  fc.assert(
    fc.property(text, fc.boolean(), (body, headed) => {
      const document = { text: headed ? head + body : body, file: 'p.yaml', firstLine: 1 };
      const { policy, issues } = parsePolicy(document);
      const isRefused = issues.some(({ severity }) => severity === 'error');
      t.is(policy === undefined, isRefused);
      const lines = document.text.split('\n');
      const printed = renderIssues(issues, (_, line) => lines[line - 1]);
      t.notRegex(printed, /[\0-\x08\x0b-\x1f\x7f\u202e]/);
    }),
    { numRuns: 1000 },
  );
});

test('documents are cut at markers, and each knows its first line', (t) => {
  const text =
    '\ufeff# one\n---\n# only a comment\n---\na: |\n  text\n --- no marker\n... \n%YAML 1.2\n---\nb: 1\n--- {c: 1}\n';
  const { documents } = splitDocuments(text, 'f.yaml');
  t.deepEqual(
    documents.map(({ text: piece, firstLine, documentIndex }) => [documentIndex, firstLine, piece]),
    [
      [0, 4, '---\na: |\n  text\n --- no marker'],
      [1, 9, '%YAML 1.2\n---\nb: 1'],
      [2, 12, '--- {c: 1}\n'],
    ],
  );
});

test('a document knows kind, namespace and name, and a broken one as far as it can be read', (t) => {
  const text = `${head}spec: {}\n---\n${head}spec: [\n---\nkind: KubeArmorHostPolicy\nmetadata: {name: h, namespace: x}\n---\n]\n`;
  const identities = splitDocuments(text, 'f.yaml').documents.map(
    ({ kind, namespace, name }) => `${kind}/${namespace}/${name}`,
  );
  t.deepEqual(identities, ['KubeArmorPolicy/ns/p', 'KubeArmorPolicy/ns/p', 'KubeArmorHostPolicy//h', '//']);
});

test('cutting any text loses no line of content and moves none', (t) => {
  const line = fc.constantFrom<string>('a: 1', '---', '...', '', '# c', '  - b', '--- x: 1', '%D');
  fc.assert(
    fc.property(fc.array(line, { maxLength: 12 }), (lines) => {
      const { documents } = splitDocuments(lines.join('\n'), 'f.yaml');
      const kept = new Map<number, string>();
      for (const { text, firstLine } of documents) {
        for (const [place, one] of text.split('\n').entries()) kept.set(firstLine + place, one);
      }
      for (const [number, one] of kept) t.is(lines[number - 1], one);
      for (const [place, one] of lines.entries()) if (one.includes('1')) t.is(kept.get(place + 1), one);
    }),
  );
});

test('a file beyond the limit is refused whole', (t) => {
  const { documents, issues } = splitDocuments('x'.repeat(9 * 1024 * 1024), 'f.yaml');
  t.is(documents.length, 0);
  t.regex(issues[0]?.message ?? '', /the limit is/);
});

test('a document just within the limit is read', (t) => {
  const text = `a: ${'x'.repeat(maxDocumentLength - 3)}`;
  t.deepEqual(readYaml({ text, file: 'f.yaml', firstLine: 1 }).issues, []);
});
