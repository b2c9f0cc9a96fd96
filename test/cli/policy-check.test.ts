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
  t.regex(output, /policies in force, 0 refused; 0 errors/u);
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
  t.regex(output, /^3 files: 1 policy in force, 1 refused; 1 error, /mu);
});

test('what is not judged yet is listed by field, and is no error', async (t) => {
  const network = (protocol: string): string =>
    `file: { matchPaths: [{ path: /x }] }, network: { matchProtocols: [{ protocol: ${protocol} }] }, action: Audit`;
  const root = folder(t, { 'a.yaml': policy('a', network('tcp')), 'b.yaml': policy('b', network('udp')) });
  const { code, output } = await run([root]);
  t.is(code, 0, output);
  t.regex(output, /^Not judged yet, and without effect:\n {2}spec\.network {2}2 times\n/mu);
});

test('a policy of a kind that is not judged yet is neither in force nor refused', async (t) => {
  const network = `apiVersion: security.kubearmor.com/v1
kind: KubeArmorNetworkPolicy
metadata: { name: n }
spec: { nodeSelector: { matchLabels: { a: b } }, ingress: [{ ports: [{ port: '22', protocol: TCP }] }], action: Audit }
`;
  const { code, output } = await run([folder(t, { 'a.yaml': policy('a'), 'n.yaml': network })]);
  t.is(code, 0, output);
  t.regex(output, /^ {2}kind {2}once$/mu);
  t.regex(output, /1 policy in force, 0 refused; 0 errors/u);
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

test('machines get one object with the same verdict', async (t) => {
  const root = folder(t, { 'a.yaml': policy('a'), 'b.yaml': policy('b', 'action: Blokc') });
  const { code, output } = await run([root], true);
  const object = JSON.parse(output) as {
    ok: boolean;
    policies: { name: string; line: number }[];
    refused: string[];
    issues: { severity: string; line: number; suggestion?: string }[];
  };
  t.is(code, 1);
  t.false(object.ok);
  t.deepEqual(
    object.policies.map(({ name, line }) => [name, line]),
    [['a', 1]],
  );
  t.deepEqual(object.refused, ['KubeArmorPolicy/container_namespace/b']);
  t.true(object.issues.some(({ severity, line }) => severity === 'error' && line === 4));
});

test('what a policy holds steers no terminal', async (t) => {
  const root = folder(t, { 'a.yaml': policy('\\e[2J\\u202e\\n', 'fi\u009ble: {}, action: "\\e[31m"') });
  const check = await checkPolicies([root]);
  t.true(check.issues.length > 0);
  t.notRegex(checkText(check), /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/u);
  t.notRegex(checkJson(check), /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/u);
  t.notThrows(() => JSON.parse(checkJson(check)) as unknown);
});
