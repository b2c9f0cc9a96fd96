import type { Issue } from './issue.ts';
import { identityOf } from './parse.ts';
import type { DocumentIdentity } from './parse.ts';
import { readYaml } from './yaml-tree.ts';
import type { DocumentText } from './yaml-tree.ts';

/** One YAML document of a file: a PolicyDocument but for what its source knows. */
export interface DocumentPiece extends DocumentText, DocumentIdentity {
  /** Place among the file's documents that are not empty, from 0. */
  readonly documentIndex: number;
}

/** Largest file, in UTF-16 units: all of KubeArmor's published templates together are a tenth of it. */
export const maxFileLength = 8 * 1024 * 1024;

/** Most documents of one file. */
const maxDocuments = 10_000;

/**
 * Cuts a file into its documents. The cut is textual, at the lines `---` and `...`, which YAML allows at the start of a line
 * for nothing else, so a broken document spoils none of its neighbours. Documents of nothing but comments are left out. Kind,
 * namespace and name are empty where a document can't be read; `parsePolicy` says why. `issues` is about the file as a whole.
 */
export function splitDocuments(
  text: string,
  file: string,
): { readonly documents: readonly DocumentPiece[]; readonly issues: readonly Issue[] } {
  if (text.length > maxFileLength)
    return refuse(file, `The file has ${text.length} characters; the limit is ${maxFileLength}.`);
  const documents: DocumentPiece[] = [];
  let lines: string[] = [];
  let firstLine = 1;
  const finish = (nextLine: number): void => {
    if (lines.some(hasContent)) {
      const document = { text: lines.join('\n'), file, firstLine };
      documents.push({ ...document, ...identityOf(readYaml(document).root), documentIndex: documents.length });
    }
    lines = [];
    firstLine = nextLine;
  };
  for (const [place, line] of text
    .replace(/^\ufeff/, '')
    .split('\n')
    .entries()) {
    if (/^---(\s|$)/.test(line)) {
      // What stands on the marker's own line belongs to the new document, and directives before it as well.
      if (!lines.every(mayStandBeforeMarker)) finish(place + 1);
      lines.push(line);
    } else if (/^\.\.\.(\s|$)/.test(line)) {
      finish(place + 2);
    } else {
      lines.push(line);
    }
    if (documents.length > maxDocuments) return refuse(file, `The file has more than ${maxDocuments} documents.`);
  }
  finish(1);
  return { documents, issues: [] };
}

function refuse(file: string, message: string): { readonly documents: readonly []; readonly issues: readonly Issue[] } {
  return { documents: [], issues: [{ severity: 'error', file, line: 1, column: 1, width: 1, field: '', message }] };
}

function mayStandBeforeMarker(line: string): boolean {
  return line.startsWith('%') || /^\s*(#.*)?$/.test(line);
}

/** Whether a line is more than blanks, a comment or a bare marker. */
function hasContent(line: string): boolean {
  return !/^(---)?\s*(#.*)?$/.test(line);
}
