import test, { type ExecutionContext } from 'ava';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { packageRoot } from '../../cli/package-root.ts';
import { checkJson, checkPolicies, checkText, policyCheck } from '../../cli/policy-check.ts';

function policy(name: string, rest = 'file: { matchPaths: [{ path: /x }] }, action: Audit'): string {
  return `apiVersion: security.kubearmor.com/v1
kind: KubeArmorPolicy
metadata: { name: "${name}" }
spec: { selector: { matchLabels: {} }, ${rest} }
`;
}

/** A folder with these files. */
function folder(t: ExecutionContext, files: Readonly<Record<string, string>>): string {
  const root = mkdtempSync(path.join(os.tmpdir(), 'palisade-check-'));
  t.teardown(() => {
    rmSync(root, { recursive: true, force: true });
  });
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(root, name)), { recursive: true });
    writeFileSync(path.join(root, name), text);
  }
  return root;
}

async function run(
  paths: readonly string[],
  json = false,
): Promise<{ readonly code: number; readonly output: string }> {
  let output = '';
  const code = await policyCheck({ paths, json, write: (text) => (output += text) });
  return { code, output };
}

test('the sample policies are sound', async (t) => {
  const { code, output } = await run([path.join(packageRoot(), 'cli/demo/policies')]);
  t.is(code, 0, output);
  t.regex(output, /policies in force, 0 refused; \d+ rules, 0 dropped; 0 errors/u);
});

test('folders are searched as `up` searches them, and files are named as a person reaches them', async (t) => {
  const root = folder(t, {
    'a.yaml': policy('a'),
    'deep/er/b.yml': policy('b', 'file: { matchPaths: [{ path: x }] }, action: Audit'),
    'notes.txt': 'not: [a, policy',
    '.hidden.yaml': policy('hidden'),
    'service.yaml': 'apiVersion: v1\nkind: Service\nmetadata: { name: s }\n',
  });
  const { code, output } = await run([root]);
  t.is(code, 1);
  const place = path.join(root, 'deep/er/b.yml');
  t.regex(output, new RegExp(`^${place}:4:\\d+: error: spec\\.file\\.matchPaths\\[0\\]\\.path: `, 'mu'));
  t.regex(output, /^ {4}4 \| spec: .*\n {6}\| +\^+$/mu, 'with the line and a caret');
  t.regex(output, /^3 files: 1 policy in force, 1 refused; 1 rule, 0 dropped; 1 error, /mu);
});

test('rules that have less effect here than they say are listed by field and reason, and are no error', async (t) => {
  const lookups = (domain: string): string =>
    `file: { matchPaths: [{ path: /x }] }, network: { matchDNSQueries: [{ domain: ${domain} }] }, action: Audit`;
  const connections = `apiVersion: security.kubearmor.com/v1
kind: KubeArmorNetworkPolicy
metadata: { name: n }
spec: { nodeSelector: { matchLabels: { a: b } }, ingress: [{ ports: [{ port: '22', protocol: TCP }] }], action: Audit }
`;
  const root = folder(t, {
    'a.yaml': policy('a', lookups('a.com')),
    'b.yaml': policy('b', lookups('b.com')),
    'n.yaml': connections,
  });
  const { code, output } = await run([root]);
  t.is(code, 0, output);
  t.regex(output, /^ {2}spec\.ingress: .+ \(1 rule\)\n {2}spec\.network\.matchDNSQueries: .+ \(2 rules\)$/mu);
  t.regex(output, /3 policies in force, 0 refused; 5 rules, 0 dropped; 0 errors/u);
});

test('a rule that its own policy leaves without effect is listed by its place', async (t) => {
  const root = folder(t, {
    'a.yaml': policy('a', 'file: { matchPaths: [{ path: /x }, { path: /x }] }, action: Audit'),
  });
  const { code, output } = await run([root]);
  t.is(code, 0, output);
  t.regex(output, /^ {2}.*a\.yaml:4: spec\.file\.matchPaths\[1\]: The rule at line 4 says the same\.$/mu);
});

test('rules under a list that nobody knows are counted as dropped, and are no success', async (t) => {
  const root = folder(t, {
    'a.yaml': policy('a', 'file: { matchPaths: [{ path: /x }], matchPath: [{ path: /y }, { path: /z }] }'),
  });
  const { code, output } = await run([root]);
  t.is(code, 1, output);
  t.regex(output, /Did you mean `matchPaths`\?/u);
  t.regex(output, /1 policy in force, 0 refused; 1 rule, 2 dropped; 0 errors, 1 warning/u);
});

test('of two policies of one name the second is refused, wherever it is', async (t) => {
  const one = folder(t, { 'a.yaml': policy('a') });
  const other = folder(t, { 'a.yaml': policy('a') });
  const { code, output } = await run([one, other]);
  t.is(code, 1);
  t.regex(output, new RegExp(`^${path.join(other, 'a.yaml')}:1:1: error: .*${path.join(one, 'a.yaml')}`, 'mu'));
});

for (const [title, files, message] of [
  ['an empty folder is not sound: a check that checked nothing must not pass', {}, /No policy files/u],
  [
    'a file without a policy is not sound',
    { 'a.yaml': 'kind: Service\nmetadata: { name: s }\n' },
    /0 policies in force/u,
  ],
  ['a file that is no YAML', { 'a.yaml': 'kind: [' }, /a\.yaml:1:\d+: error/u],
] as const)
  test(title, async (t) => {
    const { code, output } = await run([folder(t, files)]);
    t.is(code, 1);
    t.regex(output, message);
  });

test('a path that is not there is told, and the others are checked all the same', async (t) => {
  const root = folder(t, { 'a.yaml': policy('a') });
  const { code, output } = await run([path.join(root, 'absent\u001b[2J'), root]);
  t.is(code, 1);
  t.regex(output, /absent\\x1b\[2J can't be read/u);
  t.regex(output, /1 policy in force/u);
});

test('machines get one object a policy, and the totals last', async (t) => {
  const preset = 'presets: [{ name: filelessExec }], file: { matchPaths: [{ path: /x }, { path: /y }] }';
  const root = folder(t, { 'a.yaml': policy('a', preset), 'b.yaml': policy('b', 'action: Blokc') });
  const { code, output } = await run([root], true);
  const [one, other, totals, ...more] = output
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  t.is(code, 1);
  t.like(one, {
    file: path.join(root, 'a.yaml'),
    kind: 'KubeArmorPolicy',
    namespace: 'container_namespace',
    name: 'a',
    inForce: true,
    rules: 3,
    dropped: 0,
    issues: [],
    statuses: [{ block: 'presets', list: 'presets', index: 0, state: 'notObserved' }],
  });
  t.like(other, { name: 'b', inForce: false, rules: 0, issues: [{ severity: 'error', line: 4 }] });
  t.like(totals, { files: 2, policies: 1, refused: 1, rules: 3, dropped: 0, errors: 1, warnings: 0, ok: false });
  t.is(more.length, 0);
});

test('what a policy holds steers no terminal', async (t) => {
  const root = folder(t, { 'a.yaml': policy('\\e[2J\\u202e\\n', 'fi\u009ble: {}, action: "\\e[31m"') });
  const check = await checkPolicies([root]);
  t.true(check.policies.some(({ issues }) => issues.length > 0));
  t.notRegex(checkText(check), /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/u);
  t.notRegex(checkJson(check), /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/u);
  for (const line of checkJson(check).trimEnd().split('\n')) t.notThrows(() => JSON.parse(line) as unknown);
});
