import type { Policy, Rule } from './model.ts';
import { fieldOfRule } from './rule-status.ts';
import type { IssueList } from './shape.ts';

/** Where Kubernetes mounts a service account's token: the files are links into a directory whose name changes. */
const serviceAccountDirectory = /^(\/var)?\/run\/secrets\/kubernetes\.io\/serviceaccount\/$/;

/** Names that belong to data, never to a program. */
const dataFile = /\.(conf|cfg|ini|log|json|ya?ml|xml|txt|crt|key|pem|db|sqlite|sock|service)$/;

/** Where /etc has scripts; nothing else in it is a program. */
const scriptPlace =
  /^\/etc\/(rc\.local$|(init\.d|rc\d?\.d|cron\.[a-z]+|profile\.d|network|kernel|ppp|dhcp|X11|acpi)\/)/;

/** Words by which an author says that reading is meant. */
const speaksOfReading = /\b(access(ed)?|read|opened|viewed)\b/i;

/**
 * Warns of rules that are valid and mean something else than people who write them think. Each of these stands in policies
 * that are in use.
 */
export function findSlips(policy: Policy, issues: IssueList): void {
  for (const rule of policy.rules) {
    const slip = slipOf(rule);
    if (slip === undefined) continue;
    const field = fieldOfRule(rule);
    issues.add('warning', { line: rule.line, column: rule.column, width: 1 }, field, slip);
  }
}

function slipOf(rule: Rule): string | undefined {
  const { subject, action } = rule;
  if (rule.dimension === 'process' && subject.kind === 'path') {
    const { path } = subject;
    if (dataFile.test(path) || (path.startsWith('/etc/') && !scriptPlace.test(path))) {
      return `Nobody runs ${path}: process rules are about programs. To watch who opens the file, use \`file\`.`;
    }
  }
  if (action === 'Audit' && rule.readOnly && !rule.ownerOnly && speaksOfReading.test(rule.message)) {
    return 'Audit with `readOnly` alerts on writing, and exempts reading; the message speaks of access. Leave `readOnly` out.';
  }
  if (subject.kind === 'directory' && !subject.recursive && serviceAccountDirectory.test(subject.directory)) {
    return 'The files of this directory are links into a subdirectory, so without `recursive: true` the rule covers none of them.';
  }
  return undefined;
}
