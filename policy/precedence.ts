import { isLiteral, literalPrefix, literalSuffix } from './glob.ts';
import type { Glob } from './glob.ts';
import { subjectKey } from './canonical-subject.ts';
import type { CanonicalSubject } from './canonical-subject.ts';
import type { ConditionMask } from './conditions.ts';
import type { Policy, Rule, RuleList } from './model.ts';
import { domainAndParents, protocolRank, protocolsContaining } from './named.ts';
import type { ByteString } from './root-links.ts';

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

/** Equal for scopes that no comparison tells apart. */
export function scopeKey(scope: Scope): string {
  const flags = (scope.namesSources ? 1 : 0) + (scope.namesArguments ? 2 : 0) + (scope.cluster ? 4 : 0);
  return `${flags} ${scope.conditions} ${subjectKey(scope.subject)}`;
}

/**
 * The keys of all subjects but patterns that cover all that this one covers, itself first: a path lies in its last component's
 * name, its directory and every recursive directory above; a name in the recursive root alone. Over absolute paths, without
 * the directory itself. As many as a path has components, and three.
 */
export function keysOfContaining(subject: CanonicalSubject): readonly string[] {
  const keys = [subjectKey(subject)];
  switch (subject.kind) {
    case 'path': {
      const slash = subject.path.lastIndexOf('/');
      const directory = subject.path.slice(0, slash + 1);
      keys.push(`n${subject.path.slice(slash + 1)}`, `d${directory}`, ...recursiveFrom(directory));
      break;
    }
    case 'name':
      keys.push('r/');
      break;
    case 'directory':
      keys.push(...recursiveFrom(subject.recursive ? parentOf(subject.directory) : subject.directory));
      break;
    case 'pattern':
      keys.push(...keysOfContainingGlob(subject.glob));
      break;
    case 'protocol':
      keys.push(...protocolsContaining(subject.name).map((name) => `w${name}`));
      break;
    case 'domain':
      keys.push(
        ...domainAndParents(subject.name)
          .slice(1)
          .map((name) => `w${name}`),
      );
      break;
    case 'capability':
      break;
  }
  return keys;
}

/**
 * What a glob covers lies in a directory only if its literal beginning does: a wildcard matches other bytes too. Directly in it
 * where nothing behind can be a `/`; and under a name where it ends in that name.
 */
function keysOfContainingGlob(glob: Glob): readonly string[] {
  const prefix = literalPrefix(glob);
  // A directory that is written out lies in the one above it, and a path may leave its final slash out.
  const path = isLiteral(glob) ? prefix.slice(0, -1) : undefined;
  const directory = (path ?? prefix).slice(0, (path ?? prefix).lastIndexOf('/') + 1);
  const behind = glob.slice(directory.length);
  const keys = [...recursiveFrom(directory)];
  if (!behind.some((element, place) => mayBeSlash(element) && place < behind.length - 1) && !endsOpen(behind)) {
    keys.push(`d${directory}`);
  }
  if (path !== undefined && path !== '') keys.push(`p${path}`);
  const row = literalSuffix(glob).endsWith('/') ? glob.slice(0, -1) : glob;
  const suffix = literalSuffix(row);
  const slash = suffix.lastIndexOf('/');
  const isWhole = slash !== -1 || row.at(-suffix.length - 1)?.kind === 'directories';
  if (isWhole) keys.push(`n${suffix.slice(slash + 1)}`);
  return keys;
}

function mayBeSlash(element: Glob[number]): boolean {
  if (element.kind === 'byte') return element.bytes[0] === 0x2f;
  return element.kind === 'anything' || element.kind === 'directories';
}

/** Whether the last element can be more than one component. */
function endsOpen(glob: Glob): boolean {
  const last = glob.at(-1);
  return last?.kind === 'anything' || last?.kind === 'directories';
}

function recursiveFrom(directory: ByteString): readonly string[] {
  const keys: string[] = [];
  for (let above = directory; above !== ''; above = parentOf(above)) keys.push(`r${above}`);
  return keys;
}

/** `/a/` for `/a/b/`; empty for the root. */
function parentOf(directory: ByteString): ByteString {
  return directory.length <= 1 ? '' : directory.slice(0, directory.lastIndexOf('/', directory.length - 2) + 1);
}

/**
 * Whether an Allow is a true exception to a Block, where what the Allow covers is known to lie within what the Block does: its
 * sources must too, and what it covers, its sources, or its part of the Block's conditions must be strictly less. A
 * namespace's Allow is never an exception to the cluster's Block. `coversLess` is asked only where it decides, and
 * its `undefined` is then the answer.
 */
export function isException(allow: Scope, block: Scope, coversLess: () => boolean | undefined): boolean | undefined {
  if (block.cluster && !allow.cluster) return false;
  if (block.namesSources && !allow.namesSources) return false;
  return (
    allow.namesSources !== block.namesSources ||
    (allow.conditions & block.conditions) !== block.conditions ||
    // An Allow with arguments permits calls within its set only, and a Block always denies some call outside of it.
    allow.namesArguments ||
    coversLess()
  );
}

/** A piece of a rule with what names it and what it is compared by. */
export interface RankedRule {
  readonly policy: Policy;
  readonly rule: Rule;
  readonly subject: CanonicalSubject;
}

/**
 * Orders pieces of rules from the most specific to the least: with fromSource before without; exact path, name, then by the
 * length of what is literal: at equal length directory, recursive directory, pattern. Of names the named protocol before the
 * type of socket before `all`, and the longest domain. What is left is told apart by names and positions alone, so the order
 * never depends on how rules arrived. It says who is named, never what happens.
 */
export function bySpecificity(one: RankedRule, other: RankedRule): number {
  return (
    (one.rule.sources.length > 0 ? 0 : 1) - (other.rule.sources.length > 0 ? 0 : 1) ||
    kindRank(one.subject) - kindRank(other.subject) ||
    literalLength(other.subject) - literalLength(one.subject) ||
    widthRank(one.subject) - widthRank(other.subject) ||
    compareText(one.policy.namespace, other.policy.namespace) ||
    compareText(one.policy.name, other.policy.name) ||
    compareText(one.policy.kind, other.policy.kind) ||
    listRanks[one.rule.list] - listRanks[other.rule.list] ||
    one.rule.index - other.rule.index
  );
}

/** As `bySpecificity`, with the pieces of one rule that are equally specific in an order of their own. */
export function byRank(one: RankedRule, other: RankedRule): number {
  return bySpecificity(one, other) || compareText(subjectKey(one.subject), subjectKey(other.subject));
}

const listRanks: Readonly<Record<RuleList, number>> = {
  matchPaths: 0,
  matchDirectories: 1,
  matchPatterns: 2,
  matchProtocols: 3,
  matchDNSQueries: 4,
  matchCapabilities: 5,
};

function kindRank(subject: CanonicalSubject): number {
  switch (subject.kind) {
    case 'path':
      return 0;
    case 'name':
      return 1;
    case 'directory':
    case 'pattern':
      return 2;
    case 'protocol':
      return protocolRank(subject.name);
    case 'domain':
    case 'capability':
      return 0;
  }
}

function literalLength(subject: CanonicalSubject): number {
  if (subject.kind === 'directory') return subject.directory.length;
  if (subject.kind === 'pattern') return literalPrefix(subject.glob).length;
  return subject.kind === 'domain' ? subject.name.length : 0;
}

function widthRank(subject: CanonicalSubject): number {
  if (subject.kind === 'pattern') return 2;
  return subject.kind === 'directory' && subject.recursive ? 1 : 0;
}

function compareText(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
