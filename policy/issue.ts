import { PalisadeError } from '../runtime/errors.ts';
import { printable } from '../runtime/printable.ts';

/** error: the policy is refused. warning: it is loaded, and probably means something else than its author thinks. */
export type IssueSeverity = 'error' | 'warning';

/** Something about a policy that its author should know, and where. */
export interface Issue {
  readonly severity: IssueSeverity;
  readonly file: string;
  /** In `file`, from 1. */
  readonly line: number;
  /** From 1, in UTF-16 units. */
  readonly column: number;
  /** UTF-16 units to underline, on that line. */
  readonly width: number;
  /** For example `spec.file.matchPaths[0].path`; empty for the document as a whole. */
  readonly field: string;
  /** What would be right, where that can be said in short. */
  readonly expected?: string;
  /** What stands there. */
  readonly got?: string;
  /** The nearest valid name or value. */
  readonly suggestion?: string;
  /** One sentence, complete without the other fields. May hold text of the policy: print it through `renderIssues`. */
  readonly message: string;
}

/** A policy that is refused: POLICY_INVALID, or POLICY_TOO_LARGE where a limit was passed. */
export class PolicyError extends PalisadeError {
  readonly issues: readonly Issue[];

  constructor(code: 'POLICY_INVALID' | 'POLICY_TOO_LARGE', message: string, issues: readonly Issue[]) {
    super(code, message);
    this.issues = issues;
  }
}

/** Longest source line that is shown; a longer one is cut around the place. */
const maxShownColumns = 160;

/**
 * All issues as compilers print them, sorted by place: `file:line:column: severity: message`, the line, a caret under the
 * place. `lineOf` gives a line of a file, from 1; `undefined` where it is not at hand, then the line is left out. Safe on a
 * terminal whatever the policy holds.
 */
export function renderIssues(
  issues: readonly Issue[],
  lineOf: (file: string, line: number) => string | undefined,
): string {
  return [...issues]
    .sort(byPlace)
    .map((issue) => renderIssue(issue, lineOf))
    .join('');
}

function renderIssue(issue: Issue, lineOf: (file: string, line: number) => string | undefined): string {
  const where = `${issue.file}:${issue.line}:${issue.column}`;
  const field = issue.field === '' ? '' : `${issue.field}: `;
  const head = printable(`${where}: ${issue.severity}: ${field}${issue.message}`);
  const source = lineOf(issue.file, issue.line);
  if (source === undefined) return `${head}\n`;
  const start = issue.column - 1;
  const from = start + issue.width <= maxShownColumns ? 0 : Math.max(0, start - maxShownColumns / 4);
  const before = printable(source.slice(from, start).replaceAll('\t', ' '));
  const marked = printable(source.slice(start, Math.min(start + issue.width, from + maxShownColumns)));
  const after = printable(source.slice(start + issue.width, from + maxShownColumns).replaceAll('\t', ' '));
  const margin = String(issue.line).padStart(5);
  const cut = from === 0 ? '' : '…';
  return (
    `${head}\n${margin} | ${cut}${before}${marked}${after}\n` +
    `${' '.repeat(margin.length)} | ${' '.repeat(cut.length + before.length)}${'^'.repeat(Math.max(1, marked.length))}\n`
  );
}

function byPlace(one: Issue, other: Issue): number {
  return (
    compare(one.file, other.file) ||
    one.line - other.line ||
    one.column - other.column ||
    compare(one.field, other.field) ||
    compare(one.message, other.message)
  );
}

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
