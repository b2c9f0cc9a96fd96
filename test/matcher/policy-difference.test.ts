import test from 'ava';
import { policyDifference, type PolicyScan } from '../../matcher/policy-difference.ts';
import type { PolicyDocument } from '../../schemas/generated.ts';
import { logRecord } from '../support/run-processor.ts';

function document(name: string, options: Partial<PolicyDocument> = {}): PolicyDocument {
  return {
    kind: 'KubeArmorPolicy',
    namespace: 'n',
    name,
    text: name,
    sourceId: 'ours',
    file: `${name}.yaml`,
    documentIndex: 0,
    firstLine: 1,
    contentHash: name,
    ...options,
  };
}

/** Keys appended, with `-` before those that are tombstones. */
function difference(scan: Partial<PolicyScan>, table: readonly PolicyDocument[]): string[] {
  const whole = { documents: new Map(), refusedKeys: new Set<string>(), unreadableFiles: new Set<string>() };
  const records = table.map((value) => logRecord('policies', value.name, value));
  const { outputs } = policyDifference({ ...whole, incomplete: false, ...scan }, records, 'ours');
  return outputs.map((output) => `${'value' in output && output.value === undefined ? '-' : ''}${output.key}`);
}

const documents = (...all: PolicyDocument[]): PolicyScan['documents'] => new Map(all.map((one) => [one.name, one]));

test('what the table has already is not appended again', (t) => {
  t.deepEqual(difference({ documents: documents(document('a'), document('b')) }, [document('a')]), ['b']);
});

test('a change of text, file or line is appended', (t) => {
  for (const change of [{ contentHash: 'x' }, { file: 'other.yaml' }, { firstLine: 7 }, { documentIndex: 1 }]) {
    t.deepEqual(difference({ documents: documents(document('a', change)) }, [document('a')]), ['a']);
  }
});

test('what is in no file any more is deleted, if it is its own', (t) => {
  const table = [document('a'), document('b', { sourceId: 'theirs' })];
  t.deepEqual(difference({ documents: documents() }, table), ['-a']);
});

test('what another source has under the same key is left alone', (t) => {
  t.deepEqual(difference({ documents: documents(document('a')) }, [document('a', { sourceId: 'theirs' })]), []);
});

test('what is refused in its new form stays in its old one', (t) => {
  t.deepEqual(difference({ refusedKeys: new Set(['a']) }, [document('a'), document('b')]), ['-b']);
});

test('what was in a file that is unreadable now stays', (t) => {
  t.deepEqual(difference({ unreadableFiles: new Set(['a.yaml']) }, [document('a'), document('b')]), ['-b']);
});

test('where a folder is away nothing is deleted', (t) => {
  t.deepEqual(difference({ incomplete: true, documents: documents(document('c')) }, [document('a')]), ['c']);
});
