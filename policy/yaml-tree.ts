import { LineCounter, isAlias, isMap, isScalar, isSeq, parseDocument } from 'yaml';
import type { Pair, ParsedNode } from 'yaml';
import type { Issue } from './issue.ts';

/** Where something stands in its file. */
export interface Place {
  /** In the file, from 1. */
  readonly line: number;
  /** From 1, in UTF-16 units. */
  readonly column: number;
  /** UTF-16 units on that line. */
  readonly width: number;
}

/** A YAML document as plain data that knows where it stands: aliases resolved, no tags, no repeated keys. */
export type YamlNode = YamlMapping | YamlSequence | YamlScalar;

/** Fields by name, in the order of the text. */
export interface YamlMapping {
  readonly kind: 'mapping';
  readonly place: Place;
  readonly entries: ReadonlyMap<string, YamlEntry>;
}

/** A field: its value and where its name stands. */
export interface YamlEntry {
  readonly keyPlace: Place;
  readonly value: YamlNode;
}

/** A list. */
export interface YamlSequence {
  readonly kind: 'sequence';
  readonly place: Place;
  readonly items: readonly YamlNode[];
}

/** A text, number, flag or null. */
export interface YamlScalar {
  readonly kind: 'scalar';
  readonly place: Place;
  readonly value: string | number | boolean | null;
}

/** The text of one document and where it comes from. */
export interface DocumentText {
  readonly text: string;
  readonly file: string;
  /** Line of the file at which `text` begins, from 1. */
  readonly firstLine: number;
}

/**
 * Largest document, in UTF-16 units: room for 8,000 rules, where the largest policy seen has 20 KiB. The worst text of this
 * size (nothing but `]`) takes the YAML parser five seconds.
 */
export const maxDocumentLength = 512 * 1024;

/** Most nodes of a document with its aliases followed: 10,000 rules are 60,000 nodes; a bomb of aliases has billions. */
const maxNodes = 200_000;

/** Deepest nesting; a policy needs 7. */
const maxDepth = 32;

/** Most that is underlined of anything; also keeps one long line from being searched for its end at every value. */
const maxWidth = 120;

/** Most issues of one severity that are reported of one document: its author mends the first ones first. */
export const maxIssues = 100;

interface Reading {
  readonly document: DocumentText;
  readonly lines: LineCounter;
  readonly anchors: Map<string, ParsedNode>;
  readonly issues: Issue[];
  nodes: number;
}

/**
 * Reads one YAML document. `root` is undefined where it is empty or no beginning of it can be read; where there are issues,
 * which are errors all, it is what could be read: enough to tell whose document it is, not to go by it. Takes time linear in
 * the text and returns for any text whatever.
 */
export function readYaml(document: DocumentText): {
  readonly root: YamlNode | undefined;
  readonly issues: readonly Issue[];
} {
  const { text, file, firstLine } = document;
  const whole = { line: firstLine, column: 1, width: 1 };
  const refuse = (message: string): { root: undefined; issues: readonly Issue[] } => ({
    root: undefined,
    issues: [{ severity: 'error', file, ...whole, field: '', message }],
  });
  if (text.length > maxDocumentLength) {
    return refuse(`The document has ${text.length} characters; the limit is ${maxDocumentLength}.`);
  }
  const lines = new LineCounter();
  // Repeated keys are looked for below, with both places and in linear time; the library compares each key with each.
  const parsed = parseDocument(text, {
    lineCounter: lines,
    uniqueKeys: false,
    prettyErrors: false,
    merge: false,
    logLevel: 'error',
  });
  const reading: Reading = { document, lines, anchors: new Map(), issues: [], nodes: 0 };
  for (const error of parsed.errors.slice(0, maxIssues)) {
    report(reading, placeOf(reading, error.pos[0], error.pos[1]), `This is not valid YAML: ${error.message}.`);
  }
  if (parsed.contents === null) return { root: undefined, issues: reading.issues };
  if (parsed.errors.length === 0) return { root: convert(reading, parsed.contents, 0), issues: reading.issues };
  // What else is wrong in the remains of a document that is not YAML follows from that, so it is not told.
  return { root: convert({ ...reading, issues: [] }, parsed.contents, 0), issues: reading.issues };
}

/** `undefined` where something in it was reported. */
function convert(reading: Reading, node: ParsedNode, depth: number): YamlNode | undefined {
  const place = placeOf(reading, node.range[0], node.range[1]);
  reading.nodes += 1;
  if (reading.nodes > maxNodes) {
    if (reading.nodes === maxNodes + 1) {
      report(reading, place, `With its aliases followed, the document has more than ${maxNodes} values.`);
    }
    return undefined;
  }
  if (depth > maxDepth) {
    report(reading, place, `Values are nested more than ${maxDepth} deep.`);
    return undefined;
  }
  if (isAlias(node)) {
    const target = reading.anchors.get(node.source);
    if (target === undefined) report(reading, place, `The alias \`*${node.source}\` has no anchor before it.`);
    return target === undefined ? undefined : convert(reading, target, depth + 1);
  }
  if (node.anchor !== undefined) reading.anchors.set(node.anchor, node);
  if (node.tag?.startsWith('!') === true) {
    report(reading, place, `The tag \`${node.tag}\` has no meaning in a policy.`);
    return undefined;
  }
  if (isMap(node)) return convertMapping(reading, node.items, place, depth);
  if (isSeq(node)) {
    const items = node.items.map((item) => convert(reading, item, depth + 1));
    return { kind: 'sequence', place, items: items.filter((item) => item !== undefined) };
  }
  const { value } = node;
  if (value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') {
    return { kind: 'scalar', place, value };
  }
  report(reading, place, 'This is neither text, number, true, false nor null.');
  return undefined;
}

function convertMapping(
  reading: Reading,
  pairs: readonly Pair<ParsedNode, ParsedNode | null>[],
  place: Place,
  depth: number,
): YamlNode {
  const entries = new Map<string, YamlEntry>();
  for (const { key: keyNode, value: valueNode } of pairs) {
    const keyPlace = placeOf(reading, keyNode.range[0], keyNode.range[1]);
    if (!isScalar(keyNode) || (typeof keyNode.value !== 'string' && typeof keyNode.value !== 'number')) {
      report(reading, keyPlace, 'A key must be text.');
      continue;
    }
    const key = String(keyNode.value);
    const earlier = entries.get(key);
    if (key === '<<') {
      report(reading, keyPlace, 'Merge keys (`<<`) are not read: write the fields out.');
    } else if (earlier !== undefined) {
      report(
        reading,
        keyPlace,
        `\`${key}\` stands at line ${earlier.keyPlace.line} already; YAML would drop one of the two: merge them.`,
      );
    }
    const nothing: YamlNode = { kind: 'scalar', place: keyPlace, value: null };
    const value = valueNode === null ? nothing : convert(reading, valueNode, depth + 1);
    if (value !== undefined) entries.set(key, { keyPlace, value });
  }
  return { kind: 'mapping', place, entries };
}

function placeOf(reading: Reading, start: number, end: number): Place {
  const { line, col } = reading.lines.linePos(start);
  const { text, firstLine } = reading.document;
  const [firstLineOfIt = ''] = text.slice(start, Math.min(end, start + maxWidth)).split('\n', 1);
  return {
    line: firstLine + Math.max(line, 1) - 1,
    column: Math.max(col, 1),
    width: Math.max(1, firstLineOfIt.trimEnd().length),
  };
}

function report(reading: Reading, place: Place, message: string): void {
  if (reading.issues.length >= maxIssues) return;
  reading.issues.push({ severity: 'error', file: reading.document.file, ...place, field: '', message });
}
