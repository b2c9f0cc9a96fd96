import type { Issue, IssueSeverity } from './issue.ts';
import { nearestName } from './nearest.ts';
import { maxIssues } from './yaml-tree.ts';
import type { Place, YamlMapping, YamlNode } from './yaml-tree.ts';

/** What is wrong with a text, and what would be right. */
export interface TextProblem {
  readonly severity: 'error' | 'warning';
  /** One sentence. */
  readonly message: string;
  readonly expected?: string;
  readonly suggestion?: string;
}

/** What a value must look like. The language is written in these (policy-schema.ts); checking them is here. */
export type Shape =
  | { readonly type: 'anything' }
  | { readonly type: 'text'; readonly maxLength: number; readonly problems?: (text: string) => readonly TextProblem[] }
  /** A text, or a number in these bounds that YAML reads as one. */
  | {
      readonly type: 'textOrInteger';
      readonly min: number;
      readonly max: number;
      readonly problems: (text: string) => readonly TextProblem[];
    }
  | { readonly type: 'flag' }
  | { readonly type: 'integer'; readonly min: number; readonly max: number }
  | { readonly type: 'list'; readonly of: Shape; readonly max: number }
  /** Any keys, each with a text. */
  | { readonly type: 'labels' }
  | MappingShape;

/** Longest text where a number is as good. */
const maxValueLength = 100;

/** A mapping with known fields. */
export interface MappingShape {
  readonly type: 'mapping';
  readonly fields: Readonly<Record<string, Shape>>;
  readonly required?: readonly string[];
  /** One of these at least. */
  readonly requiredOneOf?: readonly string[];
  /** What follows from a field that is not known here, in place of the list of those that are. */
  readonly unknownHint?: string;
  /** Fields that people write here though they don't belong, each with what to do in its place. */
  readonly misplaced?: Readonly<Record<string, Omit<TextProblem, 'expected'>>>;
}

/** Gathers the issues of one document: the first of each severity, so that no warning crowds out an error. */
export class IssueList {
  readonly issues: Issue[] = [];
  readonly #file: string;
  readonly #counts = { error: 0, warning: 0 };

  constructor(file: string) {
    this.#file = file;
  }

  add(
    severity: IssueSeverity,
    place: Place,
    field: string,
    message: string,
    more: Pick<Issue, 'expected' | 'got' | 'suggestion'> = {},
  ): void {
    if (this.isFull(severity)) return;
    this.#counts[severity] += 1;
    const { line, column, width } = place;
    this.issues.push({ severity, file: this.#file, line, column, width, field, message, ...more });
  }

  /** Whether another issue of this severity would be left out, so that nobody needs to work on its words. */
  isFull(severity: IssueSeverity): boolean {
    return this.#counts[severity] >= maxIssues;
  }
}

/** Reports everything in which `node` is not of `shape`. A null counts as absent, as it does for Kubernetes. */
export function checkShape(node: YamlNode, shape: Shape, field: string, issues: IssueList): void {
  switch (shape.type) {
    case 'anything':
      return;
    case 'text':
      checkText(node, shape, field, issues);
      return;
    case 'textOrInteger':
      if (node.kind === 'scalar' && typeof node.value === 'number') checkInteger(node, shape, field, issues);
      else checkText(node, { type: 'text', maxLength: maxValueLength, problems: shape.problems }, field, issues);
      return;
    case 'flag':
      if (!isScalarOf(node, 'boolean')) expectType(node, 'true or false', field, issues);
      return;
    case 'integer':
      checkInteger(node, shape, field, issues);
      return;
    case 'list':
      if (node.kind !== 'sequence') {
        expectType(node, 'a list', field, issues);
        return;
      }
      if (node.items.length > shape.max) {
        const message = `The list has ${node.items.length} elements; the limit is ${shape.max}.`;
        issues.add('error', node.place, field, message);
        return;
      }
      for (const [place, item] of node.items.entries()) checkShape(item, shape.of, `${field}[${place}]`, issues);
      return;
    case 'labels':
      checkLabels(node, field, issues);
      return;
    case 'mapping':
      checkMapping(node, shape, field, issues);
      return;
  }
}

function checkText(node: YamlNode, shape: Shape & { type: 'text' }, field: string, issues: IssueList): void {
  if (node.kind !== 'scalar' || typeof node.value !== 'string') {
    expectType(node, 'text', field, issues);
    return;
  }
  const text = node.value;
  if (text.length > shape.maxLength) {
    const message = `The text has ${text.length} characters; the limit is ${shape.maxLength}.`;
    issues.add('error', node.place, field, message);
    return;
  }
  for (const { severity, message, expected, suggestion } of shape.problems?.(text) ?? []) {
    issues.add(severity, node.place, field, message, {
      got: text,
      ...(expected === undefined ? {} : { expected }),
      ...(suggestion === undefined ? {} : { suggestion }),
    });
  }
}

function checkInteger(
  node: YamlNode,
  shape: { readonly min: number; readonly max: number },
  field: string,
  issues: IssueList,
): void {
  const expected = `a whole number from ${shape.min} to ${shape.max}`;
  const value = node.kind === 'scalar' ? node.value : undefined;
  if (typeof value === 'number') {
    if (Number.isInteger(value) && value >= shape.min && value <= shape.max) return;
    issues.add('error', node.place, field, `Expected ${expected}, got ${value}.`, { expected, got: String(value) });
    return;
  }
  const unquoted = typeof value === 'string' && /^[0-9]{1,9}$/.test(value) ? { suggestion: value } : {};
  expectType(node, expected, field, issues, unquoted);
}

function checkLabels(node: YamlNode, field: string, issues: IssueList): void {
  if (node.kind !== 'mapping') {
    expectType(node, 'labels, as `key: value`', field, issues);
    return;
  }
  for (const [key, { value }] of node.entries) {
    if (isScalarOf(value, 'string')) continue;
    const text = value.kind === 'scalar' ? { suggestion: `"${String(value.value)}"` } : {};
    expectType(value, 'text', `${field}.${key}`, issues, text);
  }
}

function checkMapping(node: YamlNode, shape: MappingShape, field: string, issues: IssueList): void {
  if (node.kind !== 'mapping') {
    expectType(node, 'fields', field, issues);
    return;
  }
  const known = Object.keys(shape.fields);
  let misplaced = false;
  for (const [key, { keyPlace, value }] of node.entries) {
    const inner = field === '' ? key : `${field}.${key}`;
    const fieldShape = Object.hasOwn(shape.fields, key) ? shape.fields[key] : undefined;
    if (fieldShape === undefined) {
      misplaced = reportUnknown(key, keyPlace, shape, known, inner, issues) || misplaced;
      continue;
    }
    if (isNull(value)) continue;
    checkShape(value, fieldShape, inner, issues);
  }
  // What is missing stands there under another name, and that was told.
  if (misplaced) return;
  for (const key of shape.required ?? []) {
    if (fieldOf(node, key) === undefined) reportMissing(node, `\`${key}\``, field, issues);
  }
  const oneOf = shape.requiredOneOf ?? [];
  if (oneOf.length > 0 && oneOf.every((key) => fieldOf(node, key) === undefined)) {
    reportMissing(node, oneOf.map((key) => `\`${key}\``).join(' or '), field, issues);
  }
}

/** Whether it is an error. */
function reportUnknown(
  key: string,
  place: Place,
  shape: MappingShape,
  known: readonly string[],
  field: string,
  issues: IssueList,
): boolean {
  const misplaced = Object.hasOwn(shape.misplaced ?? {}, key) ? shape.misplaced?.[key] : undefined;
  if (misplaced !== undefined) {
    const more = misplaced.suggestion === undefined ? {} : { suggestion: misplaced.suggestion };
    issues.add(misplaced.severity, place, field, misplaced.message, { got: key, ...more });
    return misplaced.severity === 'error';
  }
  if (issues.isFull('warning')) return false;
  const suggestion = nearestName(key, known);
  const hint =
    suggestion === undefined
      ? (shape.unknownHint ?? `Known here: ${known.join(', ')}.`)
      : `Did you mean \`${suggestion}\`?`;
  issues.add('warning', place, field, `\`${key}\` is no field of this place, so it has no effect. ${hint}`, {
    got: key,
    ...(suggestion === undefined ? {} : { suggestion }),
  });
  return false;
}

function reportMissing(node: YamlMapping, what: string, field: string, issues: IssueList): void {
  const place = { ...node.place, width: 1 };
  issues.add('error', place, field, `${what} is missing.`, { expected: what });
}

function expectType(
  node: YamlNode,
  expected: string,
  field: string,
  issues: IssueList,
  more: Pick<Issue, 'suggestion'> = {},
): void {
  const got = describe(node);
  const hint = more.suggestion === undefined ? '' : ` Write ${more.suggestion}.`;
  issues.add('error', node.place, field, `Expected ${expected}, got ${got}.${hint}`, { expected, got, ...more });
}

function describe(node: YamlNode): string {
  if (node.kind === 'mapping') return 'fields';
  if (node.kind === 'sequence') return 'a list';
  if (node.value === null) return 'nothing';
  if (typeof node.value === 'string') return `the text "${node.value.slice(0, 60)}"`;
  return typeof node.value === 'number' ? `the number ${node.value}` : String(node.value);
}

function isScalarOf(node: YamlNode, type: 'string' | 'boolean'): boolean {
  return node.kind === 'scalar' && typeof node.value === type;
}

function isNull(node: YamlNode): boolean {
  return node.kind === 'scalar' && node.value === null;
}

/** A field's value; `undefined` where it is absent, null, or `node` has no fields. */
export function fieldOf(node: YamlNode | undefined, key: string): YamlNode | undefined {
  const value = node?.kind === 'mapping' ? node.entries.get(key)?.value : undefined;
  return value === undefined || isNull(value) ? undefined : value;
}

/** The elements of a list field; none where it is absent. */
export function itemsOf(node: YamlNode | undefined, key: string): readonly YamlNode[] {
  const value = fieldOf(node, key);
  return value?.kind === 'sequence' ? value.items : [];
}

/** The text of a field; `undefined` where it is absent or no text. */
export function textOfField(node: YamlNode | undefined, key: string): string | undefined {
  const value = fieldOf(node, key);
  return value?.kind === 'scalar' && typeof value.value === 'string' ? value.value : undefined;
}

/** The texts of a list field, or of a field that is labels: key and text. */
export function textsOf(node: YamlNode | undefined, key: string): readonly string[] {
  return itemsOf(node, key).flatMap((item) =>
    item.kind === 'scalar' && typeof item.value === 'string' ? [item.value] : [],
  );
}

/** The number of a field; `undefined` where it is absent or no number. */
export function numberOf(node: YamlNode | undefined, key: string): number | undefined {
  const value = fieldOf(node, key);
  return value?.kind === 'scalar' && typeof value.value === 'number' ? value.value : undefined;
}

/** The flag of a field; `undefined` where it is absent or no flag. */
export function flagOf(node: YamlNode | undefined, key: string): boolean | undefined {
  const value = fieldOf(node, key);
  return value?.kind === 'scalar' && typeof value.value === 'boolean' ? value.value : undefined;
}
