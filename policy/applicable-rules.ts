import type { ActResource, NamedAct, PathAct } from './act.ts';
import { actionNumbers } from './compiled-policy.ts';
import type { CompiledRules, TailEntry } from './compiled-policy.ts';
import { cellOf } from './conditions.ts';
import { walkGlobs } from './glob-automaton.ts';
import { PlaceSets } from './place-sets.ts';
import type { GlobProgram } from './glob-program.ts';
import { domainAndParents } from './named.ts';
import { addHit, findExact, walkPath } from './path-trie.ts';
import type { Hits } from './path-trie.ts';
import { byteStringOf } from './root-links.ts';
import type { ByteString } from './root-links.ts';

/** A piece of a rule that applies to a resource of an act. */
export interface ApplicableRule {
  readonly rule: number;
  /** Index into the act's resources; 0 where it has none. */
  readonly resource: number;
  readonly byCalledName: boolean;
}

const slash = 0x2f;

/** The number of an act's source among those that rules name; -1 where none names it. */
export function sourceNumberOf(rules: CompiledRules, source: Uint8Array): number {
  const { hits } = rules.scratch;
  hits.count = 0;
  findExact(rules.sources, source, 0, hits);
  return hits.count === 0 ? -1 : (hits.values[0] ?? -1);
}

/** Adds to `found` the rules that apply to an act by name, each once, under a new stamp. */
export function findNamed(rules: CompiledRules, act: NamedAct, sourceNumber: number, found: ApplicableRule[]): void {
  const { hits, appliedAt, stamp } = newStamp(rules);
  for (const name of act.names) {
    for (const one of act.dimension === 'dns' ? domainAndParents(name) : [name]) {
      findExact(rules.names, Buffer.from(one), 0, hits);
    }
  }
  const cell = 1 << cellOf({ write: false, owner: false, terminal: act.hasTerminal });
  for (let at = 0; at < hits.count; at++) {
    const rule = hits.values[at] ?? 0;
    if (appliedAt[rule] === stamp || ((rules.rules.conditions[rule] ?? 0) & cell) === 0) continue;
    if (!isFrom(rules, rule, sourceNumber)) continue;
    appliedAt[rule] = stamp;
    found.push({ rule, resource: 0, byCalledName: false });
  }
}

function newStamp({ scratch }: CompiledRules): CompiledRules['scratch'] {
  scratch.stamp += 1;
  scratch.hits.count = 0;
  return scratch;
}

/** Adds to `found` the rules that apply to one resource, each once, under a new stamp. */
export function findApplicable(
  rules: CompiledRules,
  act: PathAct,
  place: number,
  sourceNumber: number,
  found: ApplicableRule[],
): void {
  const resource = act.resources[place];
  if (resource === undefined) return;
  const { hits } = newStamp(rules);
  if (resource.truncated) findTails(rules, byteStringOf(resource.path), hits);
  else findPath(rules, resource.path, hits);
  takeHits(rules, act, resource, { rule: 0, resource: place, byCalledName: false }, sourceNumber, found);
  if (resource.calledName !== undefined) {
    hits.count = 0;
    findPath(rules, resource.calledName, hits);
    takeHits(rules, act, resource, { rule: 0, resource: place, byCalledName: true }, sourceNumber, found);
  }
}

/** Keeps of the hits those whose conditions hold. */
function takeHits(
  rules: CompiledRules,
  act: PathAct,
  resource: ActResource,
  like: ApplicableRule,
  sourceNumber: number,
  found: ApplicableRule[],
): void {
  const { hits, appliedAt, stamp } = rules.scratch;
  const { actions, conditions } = rules.rules;
  const owner = resource.ownerUid === undefined || resource.ownerUid === act.fsuid;
  const cell = 1 << cellOf({ write: act.write, owner, terminal: act.hasTerminal });
  for (let at = 0; at < hits.count; at++) {
    const rule = hits.values[at] ?? 0;
    if (appliedAt[rule] === stamp || ((conditions[rule] ?? 0) & cell) === 0) continue;
    // Anybody can make a link, so an Allow looks only at the program that runs.
    if (like.byCalledName && actions[rule] === actionNumbers.Allow) continue;
    if (hits.isDirectoryItself[at] === 1 && resource.isDirectory !== true) {
      if (resource.isDirectory === false || actions[rule] !== actionNumbers.Block) continue;
    }
    if (!isFrom(rules, rule, sourceNumber) || !argumentsHold(rules, rule, act)) continue;
    appliedAt[rule] = stamp;
    found.push({ ...like, rule });
  }
}

function findPath(rules: CompiledRules, path: Uint8Array, hits: Hits): void {
  walkPath(rules.paths, path, hits);
  for (const glob of rules.globs) walkGlobs(glob, path, hits);
  findExact(rules.names, path, path.lastIndexOf(slash) + 1, hits);
}

/**
 * Finds every Block and Audit rule that covers some path of which `path` is the end; an Allow never does. Each recursive
 * directory covers one. There is no table for ends of paths, so this looks at every rule: such a path has thousands of bytes,
 * and making it was as much work.
 */
function findTails(rules: CompiledRules, path: ByteString, hits: Hits): void {
  const suffix = path.startsWith('/') ? path : `/${path}`;
  findTailGlobs(rules.tailGlobs, suffix, hits);
  findTailEntries(rules.tailEntries, suffix, hits);
}

/** From every place that some beginning leads to. */
function findTailGlobs(program: GlobProgram, suffix: ByteString, hits: Hits): void {
  if (program.starts.length === 0) return;
  const walk = new PlaceSets(program);
  const reached = walk.stepAll(walk.everywhere(), suffix);
  for (const rule of walk.pathValues(reached)) addHit(hits, rule, 0);
  for (const rule of walk.directoryValues(walk.step(reached, slash))) addHit(hits, rule, 1);
}

function findTailEntries(entries: readonly TailEntry[], suffix: ByteString, hits: Hits): void {
  const lastSlash = suffix.lastIndexOf('/');
  const parent = suffix.slice(0, lastSlash + 1);
  const name = suffix.slice(lastSlash + 1);
  for (const { kind, bytes, rule } of entries) {
    const covers =
      kind === 'recursive' ||
      (kind === 'directory' && bytes.endsWith(parent)) ||
      (kind === 'exact' && bytes.endsWith(suffix)) ||
      (kind === 'name' && bytes === name);
    if (covers) addHit(hits, rule, 0);
    else if (kind === 'directory' && bytes.endsWith(`${suffix}/`)) addHit(hits, rule, 1);
  }
}

/** Whether the rule names no source, or this one. */
function isFrom(rules: CompiledRules, rule: number, sourceNumber: number): boolean {
  const { sourceStarts, sourceNumbers } = rules.rules;
  let low = sourceStarts[rule] ?? 0;
  let high = sourceStarts[rule + 1] ?? 0;
  if (low === high) return true;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const number = sourceNumbers[middle] ?? 0;
    if (number === sourceNumber) return true;
    if (number < sourceNumber) low = middle + 1;
    else high = middle;
  }
  return false;
}

/** allowedArgs: an Allow wants all arguments in its set; Block and Audit exempt these. Unknown ones are in no set. */
function argumentsHold(rules: CompiledRules, rule: number, act: PathAct): boolean {
  const allowed = rules.rules.arguments[rule];
  if (allowed === undefined) return true;
  const within = !act.argumentsTruncated && act.arguments.every((argument) => allowed.has(byteStringOf(argument)));
  return within === (rules.rules.actions[rule] === actionNumbers.Allow);
}
