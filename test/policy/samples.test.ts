import { readdirSync, readFileSync } from 'node:fs';
import test from 'ava';
import { isPolicy, parsePolicy } from '../../policy/parse.ts';
import { splitDocuments } from '../../policy/split-documents.ts';

/** What comes of each document of the samples: rules, or refused; then the fields of its issues. */
const expected: Readonly<Record<string, string>> = {
  'csp-matchlabels-in-block-process.yaml csp-matchlabels-in-block-process': '1 rules',
  'hsp-audit-stig-ubuntu-20-010139-umount.yaml hsp-audit-stig-ubuntu-20-010139-umount': 'refused; error 10 spec',
  'hsp-package-repos-t1059.yaml hsp-package-repos-t1059': '4 rules; warning 22 spec.process.matchPaths[0]',
  'ksp-block-untrusted-shell-execution.yaml ksp-block-untrusted-shell-execution':
    '22 rules; warning 25 spec.process.matchPaths[6]',
  'ksp-cm-7-4-least-functionality-nist.yaml ksp-cm-7-4-least-functionality-nist':
    'refused; error 20 ; error 22 ; error 24 ; error 26 ; error 28 ',
  'ksp-group-1-block-proc-path-from-source.yaml ksp-group-1-block-proc-path-from-source': '1 rules',
  'ksp-group-1-block-proc-pts.yaml ksp-group-1-block-proc-pts': '1 rules',
  'ksp-match-expression-in-notin-block-process.yaml ksp-match-expression-in-notin-block-process': '1 rules',
  'ksp-partialyAnnotated-allow.yaml ksp-partialyannotated-allow': '8 rules; notSupported 11 spec.network',
  'ksp-preset-block-fileless.yaml ksp-preset-block-fileless': '0 rules; notSupported 7 spec.presets',
  'ksp-ubuntu-1-audit-net-icmp.yaml ksp-ubuntu-1-audit-net-icmp': '0 rules; notSupported 11 spec.network',
  'ksp-ubuntu-1-block-file-pattern-owner-readonly.yaml ksp-ubuntu-1-block-file-pattern-owner-readonly':
    '0 rules; notSupported 13 spec.file.matchPatterns',
  'ksp-ubuntu-3-allow-proc-path-owner.yaml ksp-ubuntu-3-allow-proc-path-owner': '18 rules',
  'ksp-ubuntu-3-block-file-dir-recursive-owner-readonly.yaml ksp-ubuntu-3-block-file-dir-recursive-owner-readonly':
    '1 rules',
};

test('policies that others wrote are loaded, or refused for what is wrong in them', (t) => {
  const folder = 'test/policy/samples';
  const found: Record<string, string> = {};
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.yaml'))) {
    for (const document of splitDocuments(readFileSync(`${folder}/${file}`, 'utf8'), file).documents) {
      const { policy, issues } = parsePolicy(document);
      const became = policy !== undefined && isPolicy(policy) ? `${policy.rules.length} rules` : 'refused';
      const about = issues.map(({ severity, line, field }) => `; ${severity} ${line} ${field}`);
      found[`${file} ${document.name}`] = became + about.join('');
    }
  }
  t.deepEqual(found, expected);
});
