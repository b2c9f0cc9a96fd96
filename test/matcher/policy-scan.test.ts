import test from 'ava';
import { combineReadings, policyTextOf, readPolicyText } from '../../matcher/policy-scan.ts';

function scan(...texts: string[]): ReturnType<typeof combineReadings> {
  const readings = texts.map((text, index) => readPolicyText({ file: `${index}.yaml`, text, problem: undefined }));
  return combineReadings(readings, 'files');
}

function policy(name: string, kind = 'KubeArmorPolicy', action = 'Audit'): string {
  return `apiVersion: security.kubearmor.com/v1
kind: ${kind}
metadata: { name: ${name} }
spec: { selector: { matchLabels: {} }, file: { matchPaths: [{ path: /x }] }, action: ${action} }
`;
}

test('a document of another kind is passed over, a misspelt one of ours is told and keeps what its file held', (t) => {
  const found = scan('apiVersion: v1\nkind: Service\nmetadata: { name: s }\n', policy('a', 'KubeArmourPolicy'));
  t.is(found.documents.size, 0);
  t.deepEqual([...found.unreadableFiles], ['1.yaml']);
  t.regex(found.issues[0]?.message ?? '', /Did you mean KubeArmorPolicy/);
});

test('a document with an error is refused by its name, the one beside it counts', (t) => {
  const found = scan(`${policy('bad', 'KubeArmorPolicy', 'Blokc')}---\n${policy('good')}`);
  t.deepEqual([...found.refusedKeys], ['KubeArmorPolicy/container_namespace/bad']);
  t.deepEqual([...found.documents.keys()], ['KubeArmorPolicy/container_namespace/good']);
  t.is(found.unreadableFiles.size, 0);
});

test('a file that could not be read keeps what it held', (t) => {
  const found = combineReadings([readPolicyText({ file: 'a.yaml', text: '', problem: 'It is away.' })], 'files');
  t.deepEqual([...found.unreadableFiles], ['a.yaml']);
  t.is(found.issues[0]?.message, 'It is away.');
});

test('a document keeps its text, its place in the file and the hash of its text', (t) => {
  const text = policy('second');
  const found = scan(`# first\n${policy('first')}---\n${text}`);
  const document = found.documents.get('KubeArmorPolicy/container_namespace/second');
  t.like(document, { file: '0.yaml', documentIndex: 1, firstLine: 6, sourceId: 'files' });
  t.regex(document?.contentHash ?? '', /^[0-9a-f]{64}$/);
  t.true(document?.text.endsWith(text));
});

test('of two of one name the first counts also while it has an error: the other does not take its place', (t) => {
  const found = scan(policy('same', 'KubeArmorPolicy', 'Blokc'), policy('same'));
  t.is(found.documents.size, 0);
  t.deepEqual([...found.refusedKeys], ['KubeArmorPolicy/container_namespace/same']);
  t.regex(found.issues.at(-1)?.message ?? '', /stands in 0\.yaml, line 1, too/);
});

test('policies inside of a List are told as not read, a List of other things is passed over', (t) => {
  const list = (kind: string): string => `apiVersion: v1\nkind: List\nitems:\n- apiVersion: x/v1\n  kind: ${kind}\n`;
  const found = scan(list('KubeArmorPolicy'), list('Deployment'));
  t.deepEqual([...found.unreadableFiles], ['0.yaml']);
  t.is(found.issues.length, 1);
  t.regex(found.issues[0]?.message ?? '', /List holds policies, which are read as documents of their own only/);
});

test('a file that is not UTF-8 is refused with its line, and nothing is put in the place of its bytes', (t) => {
  const bytes = Buffer.concat([Buffer.from('# é\n# b\npath: /x'), Buffer.from([0xff, 0xfe]), Buffer.from('\n# c')]);
  t.deepEqual(policyTextOf('a.yaml', bytes), { file: 'a.yaml', text: '', problem: 'Line 3 is not UTF-8.' });
  const good = Buffer.from('\ufeff# é\n');
  t.deepEqual(policyTextOf('a.yaml', good), { file: 'a.yaml', text: '\ufeff# é\n', problem: undefined });
});
