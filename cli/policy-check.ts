import { readPolicyFiles } from '../matcher/policy-files-source.ts';
import { combineReadings, readPolicyText } from '../matcher/policy-scan.ts';
import { PolicyTable } from '../matcher/policy-table.ts';
import { renderIssues, type Issue } from '../policy/issue.ts';
import { printable } from '../runtime/printable.ts';
import type { PolicyDocument } from '../schemas/generated.ts';
import { exitCodes, type ExitCode } from './exit-codes.ts';
import { jsonText } from './json-text.ts';

export interface PolicyCheckOptions {
  /** Files, and folders that are read as `palisade up` reads those of its setting `policies`. */
  readonly paths: readonly string[];
  readonly json: boolean;
  readonly write: (text: string) => void;
}

/** What `palisade up` would make of policy files. */
export interface PolicyCheck {
  readonly files: number;
  /** Those that would be in force, in the order of the files; without those of a kind that is not judged yet. */
  readonly policies: readonly PolicyDocument[];
  /** Documents that are refused for an error, by kind/namespace/name; those that have no name are among the issues alone. */
  readonly refused: readonly string[];
  readonly issues: readonly Issue[];
  /** What could not be read at all. */
  readonly problems: readonly string[];
  /** Fields that are accepted and not judged yet, without places in lists, each with how often it stands there. */
  readonly notSupported: ReadonlyMap<string, number>;
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
  const { documents, refusedKeys, issues } = combineReadings(readings, 'check');
  const table = new PolicyTable();
  for (const [key, document] of documents) table.update(key, document);
  const outOfForce = [...table.statuses].filter(([, { state }]) => state !== 'loaded');
  const told = new Set(issues.map(({ message }) => message));
  const refusedLate = outOfForce.filter(([, status]) => status.issues.some(({ severity }) => severity === 'error'));
  const late = refusedLate.flatMap(([, status]) =>
    status.issues.filter(({ severity, message }) => severity === 'error' && !told.has(message)),
  );
  const without = new Set(outOfForce.map(([key]) => key));
  const refused = [...refusedKeys, ...refusedLate.map(([key]) => key)].sort();
  const lines = new Map([...texts].map(([path, { text }]) => [path, text.split('\n')]));
  return {
    files: texts.size,
    policies: [...documents].filter(([key]) => !without.has(key)).map(([, document]) => document),
    refused,
    issues: [...issues, ...late.map((issue): Issue => ({ ...issue, severity: 'error', width: 1 }))],
    problems,
    notSupported: fieldsOf(issues.filter(({ severity }) => severity === 'notSupported')),
    lineOf: (file, line) => lines.get(file)?.[line - 1],
  };
}

function fieldsOf(issues: readonly Issue[]): ReadonlyMap<string, number> {
  const fields = new Map<string, number>();
  for (const { field } of issues) {
    const name = field.replace(/\[\d+\]/gu, '');
    fields.set(name, (fields.get(name) ?? 0) + 1);
  }
  return new Map([...fields].sort(([one], [other]) => (one < other ? -1 : 1)));
}

/** Whether everything that was given would be in force, and something was. */
function isSound({ policies, issues, problems }: PolicyCheck): boolean {
  return policies.length > 0 && problems.length === 0 && issues.every(({ severity }) => severity !== 'error');
}

/** For people: every issue as compilers print them, what is not judged yet, a summary. */
export function checkText(check: PolicyCheck): string {
  const problems = check.problems.map((problem) => `${problem}\n`).join('');
  const fields = [...check.notSupported].map(([field, count]) => `  ${printable(field)}  ${times(count)}\n`).join('');
  const unsupported = fields === '' ? '' : `\nNot judged yet, and without effect:\n${fields}`;
  return `${problems}${renderIssues(check.issues, check.lineOf)}${unsupported}\n${summaryText(check)}`;
}

function summaryText({ files, policies, refused, issues, problems }: PolicyCheck): string {
  const counts = (['error', 'warning', 'notSupported'] as const).map(
    (severity) => issues.filter((issue) => issue.severity === severity).length,
  );
  const [errors = 0, warnings = 0, unsupported = 0] = counts;
  if (files === 0 && problems.length === 0) return 'No policy files: folders are searched for .yaml and .yml.\n';
  return (
    `${count(files, 'file')}: ${count(policies.length, 'policy', 'policies')} in force, ${refused.length} refused; ` +
    `${count(errors, 'error')}, ${count(warnings, 'warning')}, ${unsupported} not supported yet.\n`
  );
}

function count(number: number, one: string, many = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`;
}

function times(number: number): string {
  return number === 1 ? 'once' : `${number} times`;
}

/** For machines: one object. */
export function checkJson(check: PolicyCheck): string {
  const object = {
    ok: isSound(check),
    files: check.files,
    policies: check.policies.map(({ kind, namespace, name, file, firstLine }) => {
      return { kind, namespace, name, file, line: firstLine };
    }),
    refused: check.refused,
    issues: check.issues,
    problems: check.problems,
    notSupported: Object.fromEntries(check.notSupported),
  };
  return `${jsonText(object)}\n`;
}
