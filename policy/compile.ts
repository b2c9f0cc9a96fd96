import type { RootLink, RuleReference } from '../schemas/generated.ts';
import { piecesOf } from './canonical-subject.ts';
import { actionNumbers } from './compiled-policy.ts';
import type { CompiledPolicy, CompiledRules, NamedRule, RuleTable, TailEntry } from './compiled-policy.ts';
import { conditionMaskOf } from './conditions.ts';
import { findExceptions } from './exceptions.ts';
import { globLimits } from './glob-automaton.ts';
import type { GlobAutomaton, GlobLimits } from './glob-automaton.ts';
import { programOf } from './glob-program.ts';
import type { ValuedGlob } from './glob-program.ts';
import { buildGlobSet } from './glob-set.ts';
import { PolicyError } from './issue.ts';
import type { Dimension, Policy, Postures, Rule } from './model.ts';
import { entriesOf } from './path-entries.ts';
import { buildPathTrie, createHits } from './path-trie.ts';
import type { TrieEntry } from './path-trie.ts';
import { byRank, bySpecificity } from './precedence.ts';
import type { RankedRule, Scope } from './precedence.ts';
import { byteStringOfText, canonicalPath, resolveRootLinks } from './root-links.ts';
import { writtenPattern } from './rule-form.ts';
import type { ByteString, ResolvedLink } from './root-links.ts';

/** What a target has besides its policies. */
export interface CompileContext {
  /** Of the target's root, as its descriptor has them; null: not known, the usual ones are assumed. */
  readonly rootLinks: readonly RootLink[] | null;
  /** The default postures that hold for the target. */
  readonly postures: Postures;
}

/**
 * Rules of one dimension that one target may have, each alternative of a pattern and each element of a comma list counted;
 * 10,000 rules are 250,000 states of the trie and 3 MB.
 */
export const maxRulesPerDimension = 200_000;

/**
 * Compiles the policies that apply to one target (`selects`), each of them once, in any order. Time and memory are linear in
 * their rules, but for sorting, and for patterns, which `limits` bounds. Throws POLICY_TOO_LARGE beyond a limit.
 */
export function compile(
  policies: readonly Policy[],
  context: CompileContext,
  limits: GlobLimits = globLimits,
): CompiledPolicy {
  const links = resolveRootLinks(context.rootLinks);
  const of = (dimension: Dimension): CompiledRules =>
    compileRules(rankedRules(policies, dimension, links), { links, posture: context.postures[dimension], limits });
  return {
    process: of('process'),
    file: of('file'),
    network: of('network'),
    dns: of('dns'),
    capabilities: of('capabilities'),
    links,
  };
}

function rankedRules(policies: readonly Policy[], dimension: Dimension, links: readonly ResolvedLink[]): RankedRule[] {
  const ranked: RankedRule[] = [];
  for (const policy of policies) {
    for (const rule of policy.rules) {
      if (rule.dimension !== dimension) continue;
      for (const subject of piecesOf(rule.subject, links)) ranked.push({ policy, rule, subject });
    }
  }
  if (ranked.length > maxRulesPerDimension) {
    throw new PolicyError(
      'POLICY_TOO_LARGE',
      `The policies that apply to one target have ${ranked.length} ${dimension} rules; the limit is ${maxRulesPerDimension}.`,
      [],
    );
  }
  return ranked.sort(byRank);
}

interface RulesContext {
  readonly links: readonly ResolvedLink[];
  readonly posture: Postures[Dimension];
  readonly limits: GlobLimits;
}

function compileRules(ranked: readonly RankedRule[], { links, posture, limits }: RulesContext): CompiledRules {
  const paths: TrieEntry[] = [];
  const names: TrieEntry[] = [];
  const globs: ValuedGlob[] = [];
  const tailEntries: TailEntry[] = [];
  const tailGlobs: ValuedGlob[] = [];
  for (const [value, { rule, subject }] of ranked.entries()) {
    const isAllow = rule.action === 'Allow';
    switch (subject.kind) {
      case 'path':
      case 'directory': {
        const entries = entriesOf(subject, links, value);
        paths.push(...entries);
        if (!isAllow) tailEntries.push(...entries.map(({ kind, bytes }) => ({ kind, bytes, rule: value })));
        break;
      }
      case 'pattern': {
        const forms = subject.forms.map((glob) => ({ glob, value }));
        globs.push(...forms);
        if (!isAllow) tailGlobs.push(...forms);
        break;
      }
      case 'name':
        names.push({ bytes: subject.name, kind: 'exact', value });
        if (!isAllow) tailEntries.push({ kind: 'name', bytes: subject.name, rule: value });
        break;
      case 'protocol':
      case 'domain':
      case 'capability':
        names.push({ bytes: byteStringOfText(subject.name), kind: 'exact', value });
        break;
    }
  }
  const automata = compileGlobs(globs, ranked, limits);
  const sources = numberSources(ranked, links);
  const scopes = ranked.map(scopeOf);
  const { undecided, ...exceptions } = findExceptions({ ranked, scopes, automata, links });
  const named = nameRules(ranked);
  return {
    paths: buildPathTrie(paths),
    globs: automata,
    names: buildPathTrie(names),
    sources: buildPathTrie(sources.entries),
    rules: { ...createRuleTable(ranked, scopes, sources.numbersOf), named, ...exceptions },
    isAllowList: ranked.some(({ rule }) => rule.action === 'Allow'),
    posture,
    tailEntries,
    tailGlobs: programOf(tailGlobs),
    undecided: undecided.flatMap(({ allow, block }) => {
      const [one, other] = [named[allow]?.reference, named[block]?.reference];
      return one === undefined || other === undefined ? [] : [{ allow: one, block: other }];
    }),
    scratch: {
      hits: createHits(),
      appliedAt: new Float64Array(ranked.length),
      liftedAt: new Float64Array(exceptions.blockClasses),
      stamp: 0,
    },
  };
}

/** In the order of their ranks, so that how they are cut does not hang on the order in which they came. */
function compileGlobs(
  globs: readonly ValuedGlob[],
  ranked: readonly RankedRule[],
  limits: GlobLimits,
): readonly GlobAutomaton[] {
  const { automata, refused } = buildGlobSet(globs, limits);
  if (refused.length === 0) return automata;
  const alone = buildGlobSet(refused, globLimits);
  if (alone.refused.length === 0) return [...automata, ...alone.automata];
  // Each was found small enough when it was read: only a root with strange links makes it larger.
  const patterns = alone.refused.map(({ value }) => {
    const { policy, rule } = ranked[value] ?? {};
    const pattern = rule?.subject.kind === 'pattern' ? rule.subject.pattern : '';
    return `${pattern} of ${policy?.name ?? ''}`;
  });
  throw new PolicyError(
    'POLICY_TOO_LARGE',
    `These patterns would each need more than ${globLimits.states} states: ${[...new Set(patterns)].join(', ')}.`,
    [],
  );
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

function scopeOf({ policy, rule, subject }: RankedRule): Scope {
  return {
    subject,
    namesSources: rule.sources.length > 0,
    conditions: conditionMaskOf(rule),
    namesArguments: rule.allowedArguments !== undefined,
    cluster: policy.kind === 'KubeArmorClusterPolicy',
  };
}

function createRuleTable(
  ranked: readonly RankedRule[],
  scopes: readonly Scope[],
  sourcesOf: readonly (readonly number[])[],
): Pick<
  RuleTable,
  'ruleCount' | 'namingRanks' | 'actions' | 'conditions' | 'sourceStarts' | 'sourceNumbers' | 'arguments'
> {
  const sourceStarts = [0];
  for (const numbers of sourcesOf) sourceStarts.push((sourceStarts.at(-1) ?? 0) + numbers.length);
  return {
    ruleCount: new Set(ranked.map(({ rule }) => rule)).size,
    namingRanks: namingRanksOf(ranked),
    actions: Uint8Array.from(ranked, ({ rule }) => actionNumbers[rule.action]),
    conditions: Uint8Array.from(scopes, ({ conditions }) => conditions),
    sourceStarts: Uint32Array.from(sourceStarts),
    sourceNumbers: Uint32Array.from(sourcesOf.flat()),
    arguments: ranked.map(({ rule }) =>
      rule.allowedArguments === undefined ? undefined : new Set(rule.allowedArguments.map(byteStringOfText)),
    ),
  };
}

function namingRanksOf(ranked: readonly RankedRule[]): Uint32Array {
  const ranks = new Uint32Array(ranked.length);
  for (const [place, one] of ranked.entries()) {
    const before = ranked[place - 1];
    const isSame = before !== undefined && bySpecificity(before, one) === 0;
    ranks[place] = isSame ? (ranks[place - 1] ?? 0) : place;
  }
  return ranks;
}

function nameRules(ranked: readonly RankedRule[]): readonly NamedRule[] {
  const known = new Map<Rule, Pick<NamedRule, 'reference' | 'pattern'>>();
  return ranked.map(({ policy, rule, subject }) => {
    const shared = known.get(rule) ?? {
      reference: referenceOf(policy, rule),
      pattern: writtenPattern(rule.subject),
    };
    known.set(rule, shared);
    const isName = subject.kind === 'protocol' || subject.kind === 'domain' || subject.kind === 'capability';
    return { rule, ...shared, name: isName ? subject.name : '' };
  });
}

function referenceOf(policy: Policy, rule: Rule): RuleReference {
  return {
    policyKind: policy.kind,
    policyNamespace: policy.namespace,
    policyName: policy.name,
    action: rule.action,
    block: rule.block,
    list: rule.list,
    index: rule.index,
    file: policy.file,
    line: rule.line,
    column: rule.column,
  };
}
