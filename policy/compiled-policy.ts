import type { RuleReference } from '../schemas/generated.ts';
import type { GlobAutomaton } from './glob-automaton.ts';
import type { GlobProgram } from './glob-program.ts';
import type { PlaceSets } from './place-sets.ts';
import { dimensions } from './model.ts';
import type { Dimension, Posture, Rule } from './model.ts';
import type { Hits, PathTrie } from './path-trie.ts';
import type { ByteString, ResolvedLink } from './root-links.ts';

/** All rules that apply to one target, ready to be judged by. Made by `compile`; read by `judge`. */
export interface CompiledPolicy extends Readonly<Record<Dimension, CompiledRules>> {
  readonly links: readonly ResolvedLink[];
}

/**
 * The rules of one target and dimension as flat arrays. A rule is in them once for each piece of its subject (an alternative
 * of a pattern, an element of a comma list); a number is that of a piece, and its rank: 0 is the most specific.
 */
export interface CompiledRules {
  /** Paths and directories in both forms of the root's links; values are rule numbers. */
  readonly paths: PathTrie;
  /** Patterns, in both forms as well: what one of these walks finds does not depend on how many they are. */
  readonly globs: readonly GlobAutomaton[];
  /** As exact entries: last components (KubeArmor's execname); in the dimensions without paths protocols, domains, capabilities. */
  readonly names: PathTrie;
  /** Executables that rules name as sources, in both forms, as exact entries; values are source numbers. */
  readonly sources: PathTrie;
  readonly rules: RuleTable;
  /** Whether some rule is an Allow: the dimension is then an allow-list. */
  readonly isAllowList: boolean;
  readonly posture: Posture;
  /** Entries of Block and Audit rules, for paths of which only the end is known. */
  readonly tailEntries: readonly TailEntry[];
  /** Patterns of Block and Audit rules, for the same. */
  readonly tailGlobs: GlobProgram;
  /** Allows of which it could not be decided within the limits whether they are exceptions: they are none. */
  readonly undecided: readonly UndecidedException[];
  readonly scratch: Scratch;
}

/** An Allow that is no exception to a Block because nothing within the limits can say whether it lies within it. */
export interface UndecidedException {
  readonly allow: RuleReference;
  readonly block: RuleReference;
}

/** One way in which a Block or Audit rule covers paths. A name has `kind` name and no `/` in `bytes`. */
export interface TailEntry {
  readonly kind: 'exact' | 'directory' | 'recursive' | 'name';
  readonly bytes: ByteString;
  readonly rule: number;
}

/** What is known of each rule, by its number. */
export interface RuleTable {
  readonly named: readonly NamedRule[];
  /** How many rules there are; their pieces are as many as `named`. */
  readonly ruleCount: number;
  /** Who is named: the lowest. The same for pieces of a rule that are equally specific; of these the first resource's is named. */
  readonly namingRanks: Uint32Array;
  /** 0 Allow, 1 Audit, 2 Block. */
  readonly actions: Uint8Array;
  /** See conditions.ts. */
  readonly conditions: Uint8Array;
  /** Rule → first place in `sourceNumbers`; one more at the end. A rule without any applies to every source. */
  readonly sourceStarts: Uint32Array;
  /** Sorted within a rule. */
  readonly sourceNumbers: Uint32Array;
  /** Arguments that the rule's condition names; `undefined`: no condition. */
  readonly arguments: readonly (ReadonlySet<ByteString> | undefined)[];
  /**
   * For an Allow its class (rules that excuse the same Blocks), for a Block its class (rules that the same Allows excuse);
   * for an Audit 0. Both from 0.
   */
  readonly classes: Uint32Array;
  /** Class of Allows → first place in `lifts`; one more at the end. */
  readonly liftStarts: Uint32Array;
  /** Classes of Blocks to which an Allow of the class is a true exception. */
  readonly lifts: Uint32Array;
  readonly blockClasses: number;
}

/** Actions as `RuleTable.actions` has them. */
export const actionNumbers = { Allow: 0, Audit: 1, Block: 2 } as const;

/** What a verdict says of a rule. */
export interface NamedRule {
  /** One object for all pieces of a rule. */
  readonly reference: RuleReference;
  readonly rule: Rule;
  /** Of a rule with a pattern, one object for all pieces. */
  readonly pattern: PlaceSets | undefined;
  /** In a dimension without paths the element of the comma list; else empty. */
  readonly name: string;
}

/** What judging writes to while it works; nothing of it lasts from act to act but the counter that makes old marks void. */
export interface Scratch {
  readonly hits: Hits;
  /** Rule → the last stamp under which it was found to apply. */
  readonly appliedAt: Float64Array;
  /** Class of Blocks → the last stamp under which an exception applied. */
  readonly liftedAt: Float64Array;
  /** Rises by one a resource; a double holds 2^53 of them. */
  stamp: number;
}

/** Figures that grow linearly in the rules; for status and tests. */
export interface CompiledSize {
  readonly rules: number;
  /** Nodes of all tries, states of all automata. */
  readonly states: number;
  /** Pairs of a class of Allows and a class of Blocks to which it is an exception. */
  readonly lifts: number;
  /** Bytes of the flat arrays. */
  readonly tableBytes: number;
}

/** How big the tables of a compiled policy are; takes time in the number of tables, not in their size. */
export function sizeOf(compiled: CompiledPolicy): CompiledSize {
  const size = { rules: 0, states: 0, lifts: 0, tableBytes: 0 };
  for (const dimension of dimensions) {
    const { paths, names, sources, globs, rules } = compiled[dimension];
    size.rules += rules.ruleCount;
    size.lifts += rules.lifts.length;
    const tries = [paths, names, sources];
    for (const trie of tries) size.states += trie.labels.length;
    const { namingRanks, actions, conditions, sourceStarts, sourceNumbers, classes, liftStarts, lifts } = rules;
    const arrays = [namingRanks, actions, conditions, sourceStarts, sourceNumbers, classes, liftStarts, lifts];
    for (const glob of globs) {
      size.states += glob.next.length / glob.classCount;
      arrays.push(glob.classes, glob.next, glob.acceptStarts, glob.values);
    }
    for (const trie of tries) {
      arrays.push(trie.labels, trie.firstChild, trie.accepts, trie.acceptStarts, trie.values);
    }
    for (const array of arrays) size.tableBytes += array.byteLength;
  }
  return size;
}
