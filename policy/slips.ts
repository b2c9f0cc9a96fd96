import { globsOf, piecesOf } from './canonical-subject.ts';
import { programOf } from './glob-program.ts';
import { PlaceSets } from './place-sets.ts';
import type { Policy, Rule } from './model.ts';
import { fieldOfRule } from './rule-place.ts';
import { usualRootLinks } from './root-links.ts';
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
  if (action === 'Block') {
    const vital = vitalPathWithin(rule);
    if (vital !== undefined) {
      return `The Block covers ${vital}, without which most containers do not even start: is it meant to be so wide?`;
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

/** What nearly every container runs, or opens, to start: a shell, the loader, libc. */
const vitalPaths: Readonly<Record<'process' | 'file', readonly string[]>> = {
  process: ['/usr/bin/sh', '/usr/bin/bash', '/usr/bin/dash'],
  file: [
    '/usr/lib/x86_64-linux-gnu/libc.so.6',
    '/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2',
    '/usr/lib/ld-musl-x86_64.so.1',
  ],
};

/** One that a rule covers without naming it, for everybody's reading. */
function vitalPathWithin(rule: Rule): string | undefined {
  const { dimension, subject } = rule;
  const isWide = subject.kind === 'pattern' || subject.kind === 'directory';
  if (!isWide || (dimension !== 'process' && dimension !== 'file')) return undefined;
  const isConditional = rule.sources.length > 0 || rule.readOnly || rule.ownerOnly || rule.terminalOnly;
  if (isConditional) return undefined;
  const globs = piecesOf(subject, usualRootLinks).flatMap((piece) =>
    // A path is meant as it is written, also where it is an alternative of a pattern.
    piece.kind === 'pattern' || piece.kind === 'directory' ? globsOf(piece, usualRootLinks) : [],
  );
  const walk = new PlaceSets(programOf(globs.map((glob) => ({ glob, value: 0 }))));
  return vitalPaths[dimension].find((path) => walk.pathValues(walk.stepAll(walk.start(), path)).length > 0);
}
