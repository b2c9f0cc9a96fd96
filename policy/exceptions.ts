import { globsOf, subjectKey } from './canonical-subject.ts';
import type { CanonicalPathSubject, CanonicalSubject } from './canonical-subject.ts';
import { walkGlobs } from './glob-automaton.ts';
import type { GlobAutomaton } from './glob-automaton.ts';
import { globsLieWithin, maxContainmentStates } from './glob-containment.ts';
import type { RuleTable } from './compiled-policy.ts';
import { createHits } from './path-trie.ts';
import { isException, keysOfContaining, scopeKey } from './precedence.ts';
import type { RankedRule, Scope } from './precedence.ts';
import { bytesOf } from './root-links.ts';
import type { ResolvedLink } from './root-links.ts';

/** What the exceptions of one dimension are found among. */
export interface ExceptionContext {
  readonly ranked: readonly RankedRule[];
  /** Of `ranked`, place by place. */
  readonly scopes: readonly Scope[];
  /** Of all patterns among `ranked`; values are places. */
  readonly automata: readonly GlobAutomaton[];
  readonly links: readonly ResolvedLink[];
}

/** Which Allows excuse which Blocks, by classes; and pairs of which that could not be decided, by their places in `ranked`. */
export type Exceptions = Pick<RuleTable, 'classes' | 'liftStarts' | 'lifts' | 'blockClasses'> & {
  readonly undecided: readonly { readonly allow: number; readonly block: number }[];
};

/**
 * Most states of automata that the questions of one compilation may take together: some seconds. The 22,000 pairs of the
 * published rules take a hundredth. What is left beyond is undecided, and so no exception.
 */
const maxStatesAltogether = 2_000_000;

/** A class: rules that no comparison tells apart. */
interface ScopeClass {
  readonly number: number;
  readonly scope: Scope;
  /** Its most specific member, in `ranked`. */
  readonly first: number;
}

/**
 * Which Allows excuse which Blocks, by classes of rules that no comparison tells apart: a Block's class is excused by no more
 * classes than there are Allows in it, and an Allow's class excuses no more than the few on the way up from its path and the
 * patterns that cover it. So the pairs are linear in the rules, where pairs of rules would not be.
 */
export function findExceptions(context: ExceptionContext): Exceptions {
  const { ranked, scopes } = context;
  const classes = new Uint32Array(ranked.length);
  const allows = new Map<string, ScopeClass>();
  const blocks = new Map<string, ScopeClass>();
  for (const [place, scope] of scopes.entries()) {
    const action = ranked[place]?.rule.action;
    if (action === 'Audit') continue;
    const known = action === 'Allow' ? allows : blocks;
    const key = scopeKey(scope);
    const entry = known.get(key) ?? { number: known.size, scope, first: place };
    known.set(key, entry);
    classes[place] = entry.number;
  }
  const search = new BlockSearch(context, [...blocks.values()]);
  const liftStarts = [0];
  const lifts: number[] = [];
  const undecided: { allow: number; block: number }[] = [];
  for (const allow of allows.values()) {
    for (const block of search.blocksOf(allow)) {
      const excuses = search.excuses(allow, block);
      if (excuses === true) lifts.push(block.number);
      else if (excuses === undefined) undecided.push({ allow: allow.first, block: block.first });
    }
    liftStarts.push(lifts.length);
  }
  return {
    classes,
    liftStarts: Uint32Array.from(liftStarts),
    lifts: Uint32Array.from(lifts),
    blockClasses: blocks.size,
    undecided,
  };
}

/** Finds Blocks by what they cover. */
class BlockSearch {
  readonly #context: ExceptionContext;
  /** Subject → the Blocks of it. */
  readonly #bySubject = new Map<string, ScopeClass[]>();
  readonly #patterns: CanonicalPathSubject[];
  /** Two subjects' keys → whether the first lies within the second. */
  readonly #answers = new Map<string, boolean | undefined>();
  #statesLeft = maxStatesAltogether;

  constructor(context: ExceptionContext, blocks: readonly ScopeClass[]) {
    this.#context = context;
    const patterns = new Map<string, CanonicalPathSubject>();
    for (const block of blocks) {
      const { subject } = block.scope;
      const key = subjectKey(subject);
      const same = this.#bySubject.get(key);
      if (same === undefined) this.#bySubject.set(key, [block]);
      else same.push(block);
      if (subject.kind === 'pattern') patterns.set(key, subject);
    }
    this.#patterns = [...patterns.values()];
  }

  /** Those that may cover all that `allow` covers: without patterns on either side, those that do. */
  blocksOf(allow: ScopeClass): readonly ScopeClass[] {
    if (this.#bySubject.size === 0) return [];
    const { subject } = allow.scope;
    const keys = new Set(keysOfContaining(subject));
    for (const key of this.#patternsContaining(subject)) keys.add(key);
    return [...keys].flatMap((key) => this.#bySubject.get(key) ?? []);
  }

  /** Whether `allow` is an exception to a Block of `blocksOf`; `undefined`: that can't be decided. */
  excuses(allow: ScopeClass, block: ScopeClass): boolean | undefined {
    const [inner, outer] = [allow.scope.subject, block.scope.subject];
    if (isWithoutPaths(inner) || isWithoutPaths(outer)) {
      return isException(allow.scope, block.scope, () => subjectKey(inner) !== subjectKey(outer));
    }
    const lies = this.#liesWithin(inner, outer);
    // Where this can't be decided, nor can what would follow from it.
    if (lies !== true)
      return lies === undefined && isException(allow.scope, block.scope, () => true) ? undefined : false;
    return isException(allow.scope, block.scope, () => {
      const within = this.#liesWithin(outer, inner);
      return within === undefined ? undefined : !within;
    });
  }

  *#patternsContaining(subject: CanonicalSubject): Iterable<string> {
    if (this.#patterns.length === 0 || isWithoutPaths(subject)) return;
    if (subject.kind === 'path') {
      const hits = createHits();
      for (const automaton of this.#context.automata) walkGlobs(automaton, bytesOf(subject.path), hits);
      for (let at = 0; at < hits.count; at++) {
        const found = this.#context.ranked[hits.values[at] ?? 0];
        if (hits.isDirectoryItself[at] === 0 && found !== undefined) yield subjectKey(found.subject);
      }
      return;
    }
    for (const pattern of this.#patterns) {
      if (this.#liesWithin(subject, pattern) !== false) yield subjectKey(pattern);
    }
  }

  #liesWithin(inner: CanonicalPathSubject, outer: CanonicalPathSubject): boolean | undefined {
    const [innerKey, outerKey] = [subjectKey(inner), subjectKey(outer)];
    if (innerKey === outerKey) return true;
    if (inner.kind !== 'pattern' && outer.kind !== 'pattern') return keysOfContaining(inner).includes(outerKey);
    const key = JSON.stringify([innerKey, outerKey]);
    if (this.#answers.has(key)) return this.#answers.get(key);
    const { links } = this.#context;
    const { answer, states } = globsLieWithin(
      globsOf(inner, links),
      globsOf(outer, links),
      Math.min(maxContainmentStates, this.#statesLeft),
    );
    this.#statesLeft -= states;
    this.#answers.set(key, answer);
    return answer;
  }
}

function isWithoutPaths(subject: CanonicalSubject): subject is Exclude<CanonicalSubject, CanonicalPathSubject> {
  return subject.kind === 'protocol' || subject.kind === 'domain' || subject.kind === 'capability';
}
