import type { ConditionMask } from './conditions.ts';
import type { Policy, Rule } from './model.ts';
import type { ByteString } from './root-links.ts';

/** A rule's subject in bytes, on the far side of the root's links, so that both forms of a path compare equal. */
export type CanonicalSubject =
  | { readonly kind: 'path'; readonly path: ByteString }
  | { readonly kind: 'name'; readonly name: ByteString }
  | { readonly kind: 'directory'; readonly directory: ByteString; readonly recursive: boolean };

/**
 * All that decides between an Allow and a Block that apply to the same act. Where both name sources and both apply, the act's
 * source is in both lists; compared piece by piece, they are then equal, so that only whether a rule names any is kept.
 */
export interface Scope {
  readonly subject: CanonicalSubject;
  readonly namesSources: boolean;
  readonly conditions: ConditionMask;
  readonly namesArguments: boolean;
  /** Whether the policy is a KubeArmorClusterPolicy. */
  readonly cluster: boolean;
}

/** Equal for subjects that cover the same paths. */
export function subjectKey(subject: CanonicalSubject): string {
  switch (subject.kind) {
    case 'path':
      return `p${subject.path}`;
    case 'name':
      return `n${subject.name}`;
    case 'directory':
      return `${subject.recursive ? 'r' : 'd'}${subject.directory}`;
  }
}

/** Equal for scopes that no comparison tells apart. */
export function scopeKey(scope: Scope): string {
  const flags = (scope.namesSources ? 1 : 0) + (scope.namesArguments ? 2 : 0) + (scope.cluster ? 4 : 0);
  return `${flags} ${scope.conditions} ${subjectKey(scope.subject)}`;
}

/**
 * The keys of all subjects whose paths include all of this one's, itself first: a path lies in its last component's name,
 * its directory and every recursive directory above; a name in the recursive root alone. Over absolute paths, without the
 * directory itself. As many as the path has components, and three.
 */
export function keysOfContaining(subject: CanonicalSubject): readonly string[] {
  const keys = [subjectKey(subject)];
  if (subject.kind === 'name') {
    keys.push('r/');
    return keys;
  }
  // Recursive directories: for a path those above it, for a directory also its own where it is not recursive itself.
  let directory: ByteString;
  if (subject.kind === 'path') {
    const slash = subject.path.lastIndexOf('/');
    keys.push(`n${subject.path.slice(slash + 1)}`);
    directory = subject.path.slice(0, slash + 1);
    keys.push(`d${directory}`);
  } else {
    directory = subject.recursive ? parentOf(subject.directory) : subject.directory;
  }
  for (; directory !== ''; directory = parentOf(directory)) keys.push(`r${directory}`);
  return keys;
}

/** `/a/` for `/a/b/`; empty for the root. */
function parentOf(directory: ByteString): ByteString {
  return directory.length <= 1 ? '' : directory.slice(0, directory.lastIndexOf('/', directory.length - 2) + 1);
}

/**
 * Whether an Allow is a true exception to a Block, where the Allow's paths are known to lie within the Block's: its sources
 * must too, and its paths, its sources, or what it covers of the Block's conditions must be strictly fewer. A namespace's
 * Allow is never an exception to the cluster's Block.
 */
export function isException(allow: Scope, block: Scope): boolean {
  if (block.cluster && !allow.cluster) return false;
  if (block.namesSources && !allow.namesSources) return false;
  return (
    subjectKey(allow.subject) !== subjectKey(block.subject) ||
    allow.namesSources !== block.namesSources ||
    (allow.conditions & block.conditions) !== block.conditions ||
    // An Allow with arguments permits calls within its set only, and a Block always denies some call outside of it.
    allow.namesArguments
  );
}

/** A rule with what names it and what it is compared by. */
export interface RankedRule {
  readonly policy: Policy;
  readonly rule: Rule;
  readonly subject: CanonicalSubject;
}

/**
 * Orders rules from the most specific to the least: with fromSource before without; exact path, name, then directories by
 * length, at equal length directory before recursive directory. What is left is told apart by names and positions alone, so
 * the order never depends on how rules arrived. It says who is named, never what happens.
 */
export function bySpecificity(one: RankedRule, other: RankedRule): number {
  return (
    (one.rule.sources.length > 0 ? 0 : 1) - (other.rule.sources.length > 0 ? 0 : 1) ||
    kindRank(one.subject) - kindRank(other.subject) ||
    prefixLength(other.subject) - prefixLength(one.subject) ||
    recursiveRank(one.subject) - recursiveRank(other.subject) ||
    compareText(one.policy.namespace, other.policy.namespace) ||
    compareText(one.policy.name, other.policy.name) ||
    compareText(one.policy.kind, other.policy.kind) ||
    compareText(other.rule.list, one.rule.list) || // matchPaths before matchDirectories
    one.rule.index - other.rule.index
  );
}

function kindRank(subject: CanonicalSubject): number {
  return subject.kind === 'path' ? 0 : subject.kind === 'name' ? 1 : 2;
}

function prefixLength(subject: CanonicalSubject): number {
  return subject.kind === 'directory' ? subject.directory.length : 0;
}

function recursiveRank(subject: CanonicalSubject): number {
  return subject.kind === 'directory' && subject.recursive ? 1 : 0;
}

function compareText(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
