import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import test from 'ava';
import { renderIssues } from '../../policy/issue.ts';
import { isPolicy, parsePolicy } from '../../policy/parse.ts';
import { splitDocuments } from '../../policy/split-documents.ts';

// Each file of test/policy/issues is a policy as people get it wrong; all that is printed about it is in test/golden/policy.
// UPDATE_GOLDEN=1 writes these anew, to be read as code is.

const folder = 'test/policy/issues';
const golden = 'test/golden/policy';

for (const file of readdirSync(folder).sort()) {
  test(`what is printed about ${file} is what its golden file says`, (t) => {
    const printed = check(file, readFileSync(`${folder}/${file}`, 'utf8'));
    const kept = `${golden}/${file.replace('.yaml', '.txt')}`;
    if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(kept, printed);
    t.true(existsSync(kept), `run with UPDATE_GOLDEN=1 to make ${kept}`);
    t.is(printed, readFileSync(kept, 'utf8'));
  });
}

function check(file: string, text: string): string {
  const lines = text.split('\n');
  const lineOf = (_: string, line: number): string | undefined => lines[line - 1];
  const { documents, issues } = splitDocuments(text, file);
  let printed = renderIssues(issues, lineOf);
  for (const document of documents) {
    const parsed = parsePolicy(document);
    printed += renderIssues(parsed.issues, lineOf);
    const name = `${document.kind} ${document.namespace}/${document.name}`;
    if (parsed.policy === undefined) printed += `refused: ${name}\n`;
    else printed += `loaded: ${name}${isPolicy(parsed.policy) ? `, rules: ${parsed.policy.rules.length}` : ''}\n`;
  }
  return printed;
}
