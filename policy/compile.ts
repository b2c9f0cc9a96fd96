import type { RootLink } from '../schemas/generated.ts';
import { actionNumbers } from './compiled-policy.ts';
import type { CompiledPolicy, CompiledRules, NamedRule, RuleTable, TailEntry } from './compiled-policy.ts';
import { conditionMaskOf } from './conditions.ts';
import { PolicyError } from './issue.ts';
import type { Dimension, Policy, Postures, Subject } from './model.ts';
import { buildPathTrie, createHits } from './path-trie.ts';
import type { TrieEntry } from './path-trie.ts';
import { bySpecificity, isException, keysOfContaining, scopeKey, subjectKey } from './precedence.ts';
import type { CanonicalSubject, RankedRule, Scope } from './precedence.ts';
import { byteStringOfText, canonicalPath, resolveRootLinks } from './root-links.ts';
import type { ByteString, ResolvedLink } from './root-links.ts';

/** What a target has besides its policies. */
export interface CompileContext {
  /** Of the target's root, as its descriptor has them; null: not known, the usual ones are assumed. */
  readonly rootLinks: readonly RootLink[] | null;
  /** The default postures that hold for the target. */
  readonly postures: Postures;
}

/** Rules of one dimension that one target may have; 10,000 rules are 250,000 states of the trie and 3 MB. */
export const maxRulesPerDimension = 200_000;

/**
 * Compiles the policies that apply to one target (`selects`), each of them once, in any order. Time and memory are linear in
 * their rules, but for sorting. Throws POLICY_TOO_LARGE beyond `maxRulesPerDimension`.
 */
export function compile(policies: readonly Policy[], context: CompileContext): CompiledPolicy {
  const links = resolveRootLinks(context.rootLinks);
  return {
    process: compileRules(policies, 'process', links, context.postures),
    file: compileRules(policies, 'file', links, context.postures),
    links,
  };
}

function compileRules(
  policies: readonly Policy[],
  dimension: Dimension,
  links: readonly ResolvedLink[],
  postures: Postures,
): CompiledRules {
  const ranked: RankedRule[] = [];
  for (const policy of policies) {
    for (const rule of policy.rules) {
      if (rule.dimension === dimension) ranked.push({ policy, rule, subject: canonicalSubject(rule.subject, links) });
    }
  }
  if (ranked.length > maxRulesPerDimension) {
    throw new PolicyError(
      'POLICY_TOO_LARGE',
      `The policies that apply to one target have ${ranked.length} ${dimension} rules; the limit is ${maxRulesPerDimension}.`,
      [],
    );
  }
  ranked.sort(bySpecificity);

  const paths: TrieEntry[] = [];
  const names: TrieEntry[] = [];
  const tailEntries: TailEntry[] = [];
  for (const [value, { rule, subject }] of ranked.entries()) {
    const entries = subject.kind === 'name' ? [] : entriesOf(subject, links, value);
    paths.push(...entries);
    if (subject.kind === 'name') names.push({ bytes: subject.name, kind: 'exact', value });
    if (rule.action === 'Allow') continue;
    if (subject.kind === 'name') tailEntries.push({ kind: 'name', bytes: subject.name, rule: value });
    else for (const { kind, bytes } of entries) tailEntries.push({ kind, bytes, rule: value });
  }
  const sources = numberSources(ranked, links);
  const rules = createRuleTable(ranked, sources.numbersOf);
  return {
    paths: buildPathTrie(paths),
    names: buildPathTrie(names),
    sources: buildPathTrie(sources.entries),
    rules,
    isAllowList: ranked.some(({ rule }) => rule.action === 'Allow'),
    posture: postures[dimension],
    tailEntries,
    scratch: {
      hits: createHits(),
      appliedAt: new Float64Array(ranked.length),
      liftedAt: new Float64Array(rules.blockClasses),
      stamp: 0,
    },
  };
}

function canonicalSubject(subject: Subject, links: readonly ResolvedLink[]): CanonicalSubject {
  switch (subject.kind) {
    case 'path':
      return { kind: 'path', path: canonicalPath(byteStringOfText(subject.path), links) };
    case 'name':
      return { kind: 'name', name: byteStringOfText(subject.name) };
    case 'directory':
      return {
        kind: 'directory',
        directory: canonicalPath(byteStringOfText(subject.directory), links),
        recursive: subject.recursive,
      };
  }
}

/**
 * All entries by which a walk finds a subject, whichever side of a root link the walked path is on. A path is found where it
 * or its canonical form is covered; so the other forms are: below a link's target the same below the link; and where the
 * target itself is inside the directory, the link and, for a recursive one, all below it.
 */
function entriesOf(
  subject: Exclude<CanonicalSubject, { kind: 'name' }>,
  links: readonly ResolvedLink[],
  value: number,
): readonly TrieEntry[] {
  if (subject.kind === 'path') {
    const { path } = subject;
    const entries: TrieEntry[] = [{ bytes: path, kind: 'exact', value }];
    for (const { from, to } of links) {
      if (path === to || path.startsWith(`${to}/`)) {
        entries.push({ bytes: from + path.slice(to.length), kind: 'exact', value });
      }
    }
    return entries;
  }
  const { directory, recursive } = subject;
  const kind = recursive ? 'recursive' : 'directory';
  const entries: TrieEntry[] = [{ bytes: directory, kind, value }];
  for (const { from, to } of links) {
    if (directory.startsWith(`${to}/`)) {
      entries.push({ bytes: from + directory.slice(to.length), kind, value });
    } else if (to.startsWith(directory) && (recursive || !to.includes('/', directory.length))) {
      entries.push({ bytes: from, kind: 'exact', value });
      if (recursive) entries.push({ bytes: `${from}/`, kind, value });
    }
  }
  return entries;
}

interface NumberedSources {
  readonly entries: readonly TrieEntry[];
  readonly numbersOf: readonly (readonly number[])[];
}

/** Numbers the distinct executables that rules name as sources, by their canonical paths. */
function numberSources(ranked: readonly RankedRule[], links: readonly ResolvedLink[]): NumberedSources {
  const numbers = new Map<ByteString, number>();
  const entries: TrieEntry[] = [];
  const numbersOf = ranked.map(({ rule }) => {
    const own = new Set<number>();
    for (const source of rule.sources) {
      const path = canonicalPath(byteStringOfText(source), links);
      let number = numbers.get(path);
      if (number === undefined) {
        number = numbers.size;
        numbers.set(path, number);
        entries.push(...entriesOf({ kind: 'path', path }, links, number));
      }
      own.add(number);
    }
    return [...own].sort((one, other) => one - other);
  });
  return { entries, numbersOf };
}

function createRuleTable(ranked: readonly RankedRule[], sourcesOf: readonly (readonly number[])[]): RuleTable {
  const scopes = ranked.map(({ policy, rule, subject }): Scope => ({
    subject,
    namesSources: rule.sources.length > 0,
    conditions: conditionMaskOf(rule),
    namesArguments: rule.allowedArguments !== undefined,
    cluster: policy.kind === 'KubeArmorClusterPolicy',
  }));
  const sourceStarts = [0];
  for (const numbers of sourcesOf) sourceStarts.push((sourceStarts.at(-1) ?? 0) + numbers.length);
  return {
    named: ranked.map(nameRule),
    actions: Uint8Array.from(ranked, ({ rule }) => actionNumbers[rule.action]),
    conditions: Uint8Array.from(scopes, ({ conditions }) => conditions),
    sourceStarts: Uint32Array.from(sourceStarts),
    sourceNumbers: Uint32Array.from(sourcesOf.flat()),
    arguments: ranked.map(({ rule }) =>
      rule.allowedArguments === undefined ? undefined : new Set(rule.allowedArguments.map(byteStringOfText)),
    ),
    ...createLifts(ranked, scopes),
  };
}

/**
 * Which Allows excuse which Blocks, by classes of rules that no comparison tells apart: a Block's class is excused by no more
 * classes than there are Allows in it, and an Allow's class excuses no more than the few on the way up from its path. So the
 * pairs are linear in the rules, where pairs of rules would not be.
 */
function createLifts(
  ranked: readonly RankedRule[],
  scopes: readonly Scope[],
): Pick<RuleTable, 'classes' | 'liftStarts' | 'lifts' | 'blockClasses'> {
  const classes = new Uint32Array(ranked.length);
  const allows = new Map<string, { readonly number: number; readonly scope: Scope }>();
  const blocks = new Map<string, { readonly number: number; readonly scope: Scope }>();
  const blocksBySubject = new Map<string, { readonly number: number; readonly scope: Scope }[]>();
  for (const [place, scope] of scopes.entries()) {
    const action = ranked[place]?.rule.action;
    if (action === 'Audit') continue;
    const known = action === 'Allow' ? allows : blocks;
    const key = scopeKey(scope);
    let entry = known.get(key);
    if (entry === undefined) {
      entry = { number: known.size, scope };
      known.set(key, entry);
      if (action === 'Block') {
        const subject = subjectKey(scope.subject);
        const same = blocksBySubject.get(subject);
        if (same === undefined) blocksBySubject.set(subject, [entry]);
        else same.push(entry);
      }
    }
    classes[place] = entry.number;
  }
  const liftStarts = [0];
  const lifts: number[] = [];
  for (const { scope } of allows.values()) {
    if (blocks.size > 0) {
      for (const key of keysOfContaining(scope.subject)) {
        for (const block of blocksBySubject.get(key) ?? []) {
          if (isException(scope, block.scope)) lifts.push(block.number);
        }
      }
    }
    liftStarts.push(lifts.length);
  }
  return {
    classes,
    liftStarts: Uint32Array.from(liftStarts),
    lifts: Uint32Array.from(lifts),
    blockClasses: blocks.size,
  };
}

function nameRule({ policy, rule }: RankedRule): NamedRule {
  return {
    rule,
    reference: {
      policyKind: policy.kind,
      policyNamespace: policy.namespace,
      policyName: policy.name,
      action: rule.action,
      block: rule.dimension,
      list: rule.list,
      index: rule.index,
      file: policy.file,
      line: rule.line,
      column: rule.column,
    },
  };
}
