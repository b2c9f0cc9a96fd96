import { readPolicyFiles } from '../matcher/policy-files-source.ts';
import { combineReadings, readPolicyText } from '../matcher/policy-scan.ts';
import { PolicyTable } from '../matcher/policy-table.ts';
import { renderIssues, type Issue } from '../policy/issue.ts';
import { isDocumentKind, isPolicy, parsePolicy } from '../policy/parse.ts';
import { fieldOfRule } from '../policy/rule-place.ts';
import { ruleStatuses, type RuleStatus } from '../policy/rule-status.ts';
import type { DocumentPiece } from '../policy/split-documents.ts';
import { printable } from '../runtime/printable.ts';
import { exitCodes, type ExitCode } from './exit-codes.ts';
import { jsonText } from './json-text.ts';

export interface PolicyCheckOptions {
  /** Files, and folders that are read as `palisade up` reads those of its setting `policies`. */
  readonly paths: readonly string[];
  readonly json: boolean;
  readonly write: (text: string) => void;
}

/** What `palisade up` would make of one document. */
export interface CheckedPolicy {
  readonly file: string;
  /** Line of the file at which it begins, from 1. */
  readonly line: number;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly inForce: boolean;
  /** Rules that would be in force; 0 where it is refused. */
  readonly rules: number;
  /** Rules of a loaded document that are under no field that is known. */
  readonly dropped: number;
  /** Of the rules that have no effect here, or none that they would miss. */
  readonly statuses: readonly RuleStatus[];
  readonly issues: readonly Issue[];
}

/** What `palisade up` would make of policy files. */
export interface PolicyCheck {
  readonly files: number;
  /** In the order of the files; those without kind or name are among the issues of their file alone. */
  readonly policies: readonly CheckedPolicy[];
  /** Issues of a file as a whole. */
  readonly issues: readonly Issue[];
  /** What could not be read at all. */
  readonly problems: readonly string[];
  /** Lines of a file, to show the places of issues in. */
  readonly lineOf: (file: string, line: number) => string | undefined;
}

/** Reads policies as `palisade up` does and says everything about them: ends with 1 where something would not be in force. */
export async function policyCheck(options: PolicyCheckOptions): Promise<ExitCode> {
  const check = await checkPolicies(options.paths);
  options.write(options.json ? checkJson(check) : checkText(check));
  return isSound(check) ? exitCodes.done : exitCodes.failed;
}

/** The scan of the policy source, and the table that the matcher judges by. */
export async function checkPolicies(paths: readonly string[]): Promise<PolicyCheck> {
  const { texts, problems } = await readPolicyFiles(paths, () => Promise.resolve());
  // People know a file by the path they gave, not by the name it has below it.
  const readings = [...texts].map(([path, text]) => readPolicyText({ ...text, file: path }));
  const { documents, issues } = combineReadings(readings, 'check');
  const table = new PolicyTable();
  for (const [key, document] of documents) table.update(key, document);
  const pieces = readings.flatMap((reading) => reading.documents.map(({ piece }) => piece)).filter(isOurs);
  const own = new Map<DocumentPiece, Issue[]>(pieces.map((piece) => [piece, []]));
  const ofFiles: Issue[] = [];
  for (const issue of issues) (own.get(pieceAt(pieces, issue) ?? noPiece) ?? ofFiles).push(issue);
  const lines = new Map([...texts].map(([path, { text }]) => [path, text.split('\n')]));
  return {
    files: texts.size,
    policies: pieces.map((piece) => {
      const key = `${piece.kind}/${piece.namespace}/${piece.name}`;
      // Of two of one name the first is in the table.
      const isInTable = documents.get(key)?.file === piece.file && documents.get(key)?.firstLine === piece.firstLine;
      return checkedPolicy(piece, isInTable ? table.statuses.get(key) : undefined, own.get(piece) ?? []);
    }),
    issues: ofFiles,
    problems,
    lineOf: (file, line) => lines.get(file)?.[line - 1],
  };
}

const noPiece: DocumentPiece = {
  text: '',
  file: '',
  firstLine: 0,
  kind: '',
  namespace: '',
  name: '',
  documentIndex: 0,
};

function isOurs({ kind, name }: DocumentPiece): boolean {
  return isDocumentKind(kind) && name !== '';
}

/** The document that an issue is about: the last one of its file that begins before it. */
function pieceAt(pieces: readonly DocumentPiece[], { file, line }: Issue): DocumentPiece | undefined {
  const before = pieces.filter((piece) => piece.file === file && piece.firstLine <= line);
  const last = before.at(-1);
  return last !== undefined && line < last.firstLine + last.text.split('\n').length ? last : undefined;
}

type TableStatus = ReturnType<PolicyTable['statuses']['get']>;

function checkedPolicy(piece: DocumentPiece, status: TableStatus, issues: readonly Issue[]): CheckedPolicy {
  const { file, kind, namespace, name, firstLine } = piece;
  const inForce = status?.state === 'loaded';
  const parsed = parsePolicy(piece);
  const policy = inForce && parsed.policy !== undefined && isPolicy(parsed.policy) ? parsed.policy : undefined;
  const statuses = policy === undefined ? [] : ruleStatuses(policy);
  const told = new Set(issues.map(({ message }) => message));
  // What only the table knows: that there is no room.
  const late = (status?.issues ?? []).flatMap(({ severity, message }): readonly Issue[] =>
    severity === 'error' && !told.has(message)
      ? [{ severity, file, line: firstLine, column: 1, width: 1, field: '', message }]
      : [],
  );
  return {
    file,
    line: firstLine,
    kind,
    namespace,
    name,
    inForce,
    rules: statuses.length,
    dropped: inForce ? parsed.droppedRules : 0,
    statuses: statuses.filter(({ state, reason }) => state !== 'loaded' || reason !== ''),
    issues: [...issues, ...late],
  };
}

interface Totals {
  readonly files: number;
  /** In force. */
  readonly policies: number;
  readonly rules: number;
  readonly dropped: number;
  readonly refused: number;
  readonly errors: number;
  readonly warnings: number;
}

function totalsOf({ files, policies, issues }: PolicyCheck): Totals {
  const inForce = policies.filter((policy) => policy.inForce);
  const all = [...issues, ...policies.flatMap((policy) => policy.issues)];
  return {
    files,
    policies: inForce.length,
    rules: sum(inForce.map(({ rules }) => rules)),
    dropped: sum(inForce.map(({ dropped }) => dropped)),
    refused: policies.length - inForce.length,
    errors: all.filter(({ severity }) => severity === 'error').length,
    warnings: all.filter(({ severity }) => severity === 'warning').length,
  };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((all, one) => all + one, 0);
}

/** Whether everything that was given would be in force, and something was. */
function isSound(check: PolicyCheck): boolean {
  const { policies, dropped, errors } = totalsOf(check);
  return policies > 0 && dropped === 0 && errors === 0 && check.problems.length === 0;
}

/** For people: every issue as compilers print them, what has no effect here, a summary. */
export function checkText(check: PolicyCheck): string {
  const problems = check.problems.map((problem) => `${problem}\n`).join('');
  const issues = [...check.issues, ...check.policies.flatMap((policy) => policy.issues)];
  return `${problems}${renderIssues(issues, check.lineOf)}${statusText(check.policies)}\n${summaryText(check)}`;
}

/** What nobody here sees or enforces, by field; and each rule that its own policy leaves without effect. */
function statusText(policies: readonly CheckedPolicy[]): string {
  const counts = new Map<string, number>();
  const single: string[] = [];
  for (const { file, statuses } of policies) {
    for (const { place, state, reason } of statuses) {
      const field = fieldOfRule(place);
      if (state === 'notObserved' || state === 'notEnforceable') {
        const line = `${field.replace(/\[\d+\]/gu, '')}: ${reason}`;
        counts.set(line, (counts.get(line) ?? 0) + 1);
      } else {
        single.push(`${file}:${place.line}: ${field}: ${reason}`);
      }
    }
  }
  const grouped = [...counts].map(([line, number]) => `${line} (${count(number, 'rule')})`).sort();
  const lines = [...grouped, ...single].map((line) => `  ${printable(line)}\n`);
  return lines.length === 0 ? '' : `\nIn force as written, with less effect here than they say:\n${lines.join('')}`;
}

function summaryText(check: PolicyCheck): string {
  const { files, policies, rules, dropped, refused, errors, warnings } = totalsOf(check);
  if (files === 0 && check.problems.length === 0) return 'No policy files: folders are searched for .yaml and .yml.\n';
  return (
    `${count(files, 'file')}: ${count(policies, 'policy', 'policies')} in force, ${refused} refused; ` +
    `${count(rules, 'rule')}, ${dropped} dropped; ${count(errors, 'error')}, ${count(warnings, 'warning')}.\n`
  );
}

function count(number: number, one: string, many = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`;
}

/** For machines: one object a policy, and one with the totals at the end. */
export function checkJson(check: PolicyCheck): string {
  const policies = check.policies.map(({ statuses, ...policy }) => ({
    ...policy,
    statuses: statuses.map(({ place: { block, list, index, line, column }, state, reason }) => {
      return { block, list, index, line, column, state, reason };
    }),
  }));
  const totals = { ...totalsOf(check), ok: isSound(check), issues: check.issues, problems: check.problems };
  return [...policies, totals].map((object) => `${jsonText(object)}\n`).join('');
}
