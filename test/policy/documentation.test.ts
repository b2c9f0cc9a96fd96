import { readFileSync } from 'node:fs';
import test from 'ava';
import { parsePolicy } from '../../policy/parse.ts';

test('every example of docs/policies.md loads without an issue', (t) => {
  const page = readFileSync('docs/policies.md', 'utf8');
  const examples = [...page.matchAll(/```yaml\n([^]*?)```/g)].map(([, text = '']) => text);
  t.is(examples.length, 2);
  for (const text of examples) {
    const { policy, issues } = parsePolicy({ text, file: 'docs/policies.md', firstLine: 1 });
    t.deepEqual(issues, []);
    t.not(policy, undefined);
  }
});
