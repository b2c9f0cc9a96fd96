import { isUtf8 } from 'node:buffer';
import { createHash } from 'node:crypto';
import type { Issue } from '../policy/issue.ts';
import { isDocumentKind, parsePolicy } from '../policy/parse.ts';
import { splitDocuments, type DocumentPiece } from '../policy/split-documents.ts';
import type { PolicyDocument } from '../schemas/generated.ts';
import type { PolicyScan } from './policy-difference.ts';

/** One policy file as it was read. */
export interface PolicyText {
  /** As documents will name it: relative to the folder that was given. */
  readonly file: string;
  readonly text: string;
  /** Why it could not be read, in a sentence. */
  readonly problem: string | undefined;
}

/** What texts hold: documents that can be used, and what is to be said of all of them. */
export interface PolicyTexts extends Omit<PolicyScan, 'incomplete'> {
  readonly issues: readonly Issue[];
}

/** One file, parsed: what takes time, and depends on its text alone. */
export interface PolicyReading {
  readonly text: PolicyText;
  readonly documents: readonly { readonly piece: DocumentPiece; readonly issues: readonly Issue[] }[];
  /** About the file as a whole. */
  readonly issues: readonly Issue[];
}

/**
 * A file's bytes as text. YAML is Unicode, so bytes that are not UTF-8 make the file unreadable: with anything in their place a
 * path would be another one, and its rule would never match.
 */
export function policyTextOf(file: string, bytes: Uint8Array): PolicyText {
  if (isUtf8(bytes))
    return { file, text: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString(), problem: undefined };
  let line = 1;
  for (let start = 0; start < bytes.length; line++) {
    const end = bytes.indexOf(0x0a, start);
    const next = end === -1 ? bytes.length : end + 1;
    if (!isUtf8(bytes.subarray(start, next))) break;
    start = next;
  }
  return { file, text: '', problem: `Line ${line} is not UTF-8.` };
}

/** Cuts a file into its documents and parses each. */
export function readPolicyText(text: PolicyText): PolicyReading {
  if (text.problem !== undefined) return { text, documents: [], issues: [about(text.file, text.problem)] };
  const { documents, issues } = splitDocuments(text.text, text.file);
  return { text, documents: documents.map((piece) => ({ piece, issues: parsePolicy(piece).issues })), issues };
}

/**
 * The policies of all files, in their order: of two of one identity the first counts, and the other is an issue. Documents
 * of other kinds, a Deployment beside its policy, are passed over.
 */
export function combineReadings(readings: readonly PolicyReading[], sourceId: string): PolicyTexts {
  const scan = {
    documents: new Map<string, PolicyDocument>(),
    refusedKeys: new Set<string>(),
    unreadableFiles: new Set<string>(),
    issues: [] as Issue[],
    first: new Map<string, DocumentPiece>(),
  };
  for (const { text, documents, issues } of readings) {
    if (issues.length > 0) scan.unreadableFiles.add(text.file);
    scan.issues.push(...issues);
    for (const document of documents) takeDocument(document, sourceId, scan);
  }
  const { documents, refusedKeys, unreadableFiles, issues } = scan;
  return { documents, refusedKeys, unreadableFiles, issues };
}

interface Scan {
  readonly documents: Map<string, PolicyDocument>;
  readonly refusedKeys: Set<string>;
  readonly unreadableFiles: Set<string>;
  readonly issues: Issue[];
  /** By key, where it stands first: that one counts, also while it has an error. */
  readonly first: Map<string, DocumentPiece>;
}

function takeDocument({ piece, issues }: PolicyReading['documents'][number], sourceId: string, scan: Scan): void {
  const { kind, namespace, name, text, file, documentIndex, firstLine } = piece;
  if (kind !== '' && !isDocumentKind(kind)) {
    // Somebody else's document, unless its kind is a slip of ours, or it is a list of ours as `kubectl get` prints them.
    const isSlip = issues.some(({ suggestion }) => suggestion !== undefined);
    const isList = kind.endsWith('List') && /^[\s-]*kind: *["']?KubeArmor/m.test(text);
    if (!isSlip && !isList) return;
    scan.unreadableFiles.add(file);
    const message = `A ${kind} holds policies, which are read as documents of their own only, with \`---\` between them.`;
    scan.issues.push(...(isList ? [{ ...about(file, message), line: firstLine }] : issues));
    return;
  }
  scan.issues.push(...issues);
  if (kind === '' || name === '') {
    scan.unreadableFiles.add(file);
    return;
  }
  const key = `${kind}/${namespace}/${name}`;
  const first = scan.first.get(key);
  if (first !== undefined) {
    scan.issues.push({
      ...about(file, `${kind} ${name} stands in ${first.file}, line ${first.firstLine}, too: that one counts.`),
      line: firstLine,
    });
    return;
  }
  scan.first.set(key, piece);
  if (issues.some(({ severity }) => severity === 'error')) {
    scan.refusedKeys.add(key);
  } else {
    const contentHash = createHash('sha256').update(text).digest('hex');
    scan.documents.set(key, { kind, namespace, name, text, sourceId, file, documentIndex, firstLine, contentHash });
  }
}

function about(file: string, message: string): Issue {
  return { severity: 'error', file, line: 1, column: 1, width: 1, field: '', message };
}
