import { globKey, globOfBytes, isLiteral, literalPrefix, parseGlob } from './glob.ts';
import type { Glob } from './glob.ts';
import { canonicalGlob, formsOfGlob } from './glob-forms.ts';
import type { NamedSubject, Subject } from './model.ts';
import { entriesOf } from './path-entries.ts';
import { byteStringOfText, canonicalPath } from './root-links.ts';
import type { ByteString, ResolvedLink } from './root-links.ts';

/**
 * One piece of a rule's subject in bytes, on the far side of the root's links, so that both forms of a path compare equal. A
 * rule has as many as its pattern has alternatives, or its comma list elements: each is compared by itself.
 */
export type CanonicalSubject = CanonicalPathSubject | CanonicalName;

/** A piece of a process or file rule. */
export type CanonicalPathSubject =
  | { readonly kind: 'path'; readonly path: ByteString }
  | { readonly kind: 'name'; readonly name: ByteString }
  | { readonly kind: 'directory'; readonly directory: ByteString; readonly recursive: boolean }
  /** One with wildcards, or that covers a directory alone; `forms` are what it covers on either side of the links. */
  | { readonly kind: 'pattern'; readonly glob: Glob; readonly forms: readonly Glob[] };

/** A piece of a network, DNS or capability rule. */
export interface CanonicalName {
  readonly kind: NamedSubject['kind'];
  readonly name: string;
}

/**
 * Patterns of one dimension that one target may have, each alternative counted: they are compiled together, where paths are
 * only sorted. The published templates have 260 in all.
 */
export const maxPatternsPerDimension = 10_000;

/** How many pieces a subject has: places that its rule takes in the tables of its dimension. */
export function pieceCountOf(subject: Subject): number {
  return piecesOf(subject, []).length;
}

/** The pieces of a subject, each once. Patterns were read before, so that every one can be. */
export function piecesOf(subject: Subject, links: readonly ResolvedLink[]): readonly CanonicalSubject[] {
  switch (subject.kind) {
    case 'path':
      return [{ kind: 'path', path: canonicalPath(byteStringOfText(subject.path), links) }];
    case 'name':
      return [{ kind: 'name', name: byteStringOfText(subject.name) }];
    case 'directory': {
      const directory = canonicalPath(byteStringOfText(subject.directory), links);
      return [{ kind: 'directory', directory, recursive: subject.recursive }];
    }
    case 'pattern':
      return patternPieces(subject.pattern, links);
    case 'protocol':
    case 'domain':
    case 'capability':
      return subject.names.map((name) => ({ kind: subject.kind, name }));
  }
}

function patternPieces(pattern: string, links: readonly ResolvedLink[]): readonly CanonicalPathSubject[] {
  const parsed = parseGlob(pattern);
  if ('problem' in parsed) throw new Error(`a pattern that can't be read was refused before: ${parsed.problem}`);
  const pieces = new Map<string, CanonicalPathSubject>();
  for (const written of parsed.globs) {
    const piece = patternPiece(written, links);
    pieces.set(subjectKey(piece), piece);
  }
  return [...pieces.values()];
}

function patternPiece(written: Glob, links: readonly ResolvedLink[]): CanonicalPathSubject {
  const text = literalPrefix(written);
  if (isLiteral(written) && !text.endsWith('/')) return { kind: 'path', path: canonicalPath(text, links) };
  const glob = canonicalGlob(written, links);
  return { kind: 'pattern', glob, forms: formsOfGlob(glob, links) };
}

/** Equal for pieces that are written alike; pieces of another kind may cover the same paths all the same. */
export function subjectKey(subject: CanonicalSubject): string {
  switch (subject.kind) {
    case 'path':
      return `p${subject.path}`;
    case 'name':
      return `n${subject.name}`;
    case 'directory':
      return `${subject.recursive ? 'r' : 'd'}${subject.directory}`;
    case 'pattern':
      return `g${globKey(subject.glob)}`;
    case 'protocol':
    case 'domain':
    case 'capability':
      return `w${subject.name}`;
  }
}

/** Globs that cover what a piece covers, a directory itself left out, on either side of the links. */
export function globsOf(subject: CanonicalPathSubject, links: readonly ResolvedLink[]): readonly Glob[] {
  switch (subject.kind) {
    case 'path':
    case 'directory':
      return entriesOf(subject, links, 0).map(({ kind, bytes }): Glob => {
        const glob = globOfBytes(bytes);
        if (kind === 'exact') return glob;
        return [...glob, { kind: kind === 'recursive' ? 'anything' : 'star' }];
      });
    case 'name':
      return [[...globOfBytes('/'), { kind: 'directories' }, ...globOfBytes(subject.name)]];
    case 'pattern':
      return subject.forms;
  }
}
