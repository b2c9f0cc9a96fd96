import { byteClassesOf, programOf } from './glob-program.ts';
import { PlaceSets } from './place-sets.ts';
import type { ValuedGlob } from './glob-program.ts';
import { addHit } from './path-trie.ts';
import type { Hits } from './path-trie.ts';

/**
 * Globs as one deterministic automaton over classes of bytes, in flat arrays. State 0 is the one from which nothing more can
 * match, state 1 the start.
 *
 * What matches whatever follows (a final `**`) is reported in passing and then forgotten. Else a state would have to know
 * which of such globs were met, and ten of the kind of `/**` + `/x/**` would need a state for each set of them.
 */
export interface GlobAutomaton {
  /** Byte → class. */
  readonly classes: Uint8Array;
  /** How many classes there are: a row of `next` has so many places. */
  readonly classCount: number;
  /** State × class → state. */
  readonly next: Uint32Array;
  /** States from this one on report something in passing. */
  readonly firstPassing: number;
  /** For each state three places in `values`: in passing, where a path ends, where a directory's final `/` was taken; one end after all. */
  readonly acceptStarts: Uint32Array;
  readonly values: Uint32Array;
}

/** How large one automaton may become. */
export interface GlobLimits {
  /** States, before those that say the same are made one. */
  readonly states: number;
  /** Bytes of its table, at the same moment. */
  readonly tableBytes: number;
  /** Places of the program that are looked at on the way: what bounds the time. */
  readonly steps: number;
}

/** A table of this size is in a core's second cache; the patterns of all published templates together need a fifth. */
export const globLimits: GlobLimits = { states: 4_096, tableBytes: 1024 * 1024, steps: 10_000_000 };

/**
 * What one pattern may need, all its alternatives and the other sides of root links together: the most of a published one is
 * 60 states. `*a????????????` would need one for each set of places at which an `a` was.
 */
export const lonePatternLimits: GlobLimits = { ...globLimits, steps: 500_000 };

const slash = 0x2f;
const start = 1;

/** An automaton, `undefined` where it would pass a limit, and what it took. */
export interface BuiltAutomaton {
  readonly automaton: GlobAutomaton | undefined;
  readonly steps: number;
}

/** The automaton of `globs`. A limit that it would pass is found before more than that is spent. */
export function buildGlobAutomaton(globs: readonly ValuedGlob[], limits: GlobLimits): BuiltAutomaton {
  const walk = new PlaceSets(programOf(globs));
  const { classes, representatives } = byteClassesOf([walk.program]);
  const most = Math.min(limits.states, Math.floor(limits.tableBytes / (4 * representatives.length)));
  const draft = new Draft();
  draft.numberOf(walk, []);
  draft.numberOf(walk, walk.start());
  const next: number[] = [];
  let steps = 0;
  // States are added while they are gone through.
  for (const { places } of draft.states) {
    for (const byte of representatives) next.push(draft.numberOf(walk, walk.step(places, byte)));
    steps += (places.length + 1) * representatives.length;
    if (draft.states.length > most || steps > limits.steps) return { automaton: undefined, steps };
  }
  const automaton = minimized({ classes, classCount: representatives.length, next, states: draft.states });
  return { automaton, steps };
}

interface DraftState {
  /** At which something is still open. */
  readonly places: readonly number[];
  readonly passing: readonly number[];
  readonly atPath: readonly number[];
  readonly atDirectory: readonly number[];
}

class Draft {
  readonly states: DraftState[] = [];
  readonly #numbers = new Map<string, number>();

  numberOf(walk: PlaceSets, reached: readonly number[]): number {
    const passing = walk.finalValues(reached);
    const places = walk.unsettled(reached);
    const key = `${passing.join()};${places.join()}`;
    let number = this.#numbers.get(key);
    if (number === undefined) {
      number = this.states.length;
      this.#numbers.set(key, number);
      this.states.push({
        places,
        passing,
        atPath: walk.pathValues(places),
        atDirectory: walk.directoryValues(places),
      });
    }
    return number;
  }
}

/**
 * States that report the same and lead to the same are one (Moore, "Gedanken-experiments on sequential machines", 1956):
 * classes of states are split until none tells its members apart.
 */
function minimized(draft: {
  readonly classes: Uint8Array;
  readonly classCount: number;
  readonly next: readonly number[];
  readonly states: readonly DraftState[];
}): GlobAutomaton {
  const { classes, classCount, next, states } = draft;
  let group = numbered(states.map((state) => JSON.stringify([state.passing, state.atPath, state.atDirectory])));
  for (let count = 0; count !== group.count;) {
    count = group.count;
    const { of } = group;
    group = numbered(
      states.map((_, state) => {
        let key = String(of[state] ?? 0);
        for (let at = 0; at < classCount; at++) key += `,${of[next[state * classCount + at] ?? 0] ?? 0}`;
        return key;
      }),
    );
  }
  // New numbers: nothing, start, then those that report nothing in passing, then those that do.
  const first: number[] = [];
  for (const [state, number] of group.of.entries()) first[number] ??= state;
  const reports = (number: number): boolean => (states[first[number] ?? 0]?.passing.length ?? 0) > 0;
  const [nothing = 0, begin = 0] = group.of;
  const others = first.map((_, number) => number).filter((number) => number !== nothing && number !== begin);
  // Nothing is accepted before the first byte, and where nothing can match at all the start is as good as state 0.
  const order = [nothing, begin, ...others.filter((one) => !reports(one)), ...others.filter(reports)];
  const renamed = new Map(order.map((number, place) => [number, place]));
  const table = order.flatMap((number) => {
    const state = first[number] ?? 0;
    return Array.from(
      { length: classCount },
      (_, at) => renamed.get(group.of[next[state * classCount + at] ?? 0] ?? 0) ?? 0,
    );
  });
  const acceptStarts: number[] = [];
  const values: number[] = [];
  for (const number of order) {
    const { passing, atPath, atDirectory } = states[first[number] ?? 0] ?? { passing: [], atPath: [], atDirectory: [] };
    for (const list of [passing, atPath, atDirectory]) {
      acceptStarts.push(values.length);
      values.push(...list);
    }
  }
  acceptStarts.push(values.length);
  return {
    classes,
    classCount,
    next: Uint32Array.from(table),
    firstPassing: order.length - others.filter(reports).length,
    acceptStarts: Uint32Array.from(acceptStarts),
    values: Uint32Array.from(values),
  };
}

/** Equal keys get equal numbers, in the order in which they first come. */
function numbered(keys: readonly string[]): { readonly of: readonly number[]; readonly count: number } {
  const numbers = new Map<string, number>();
  const of = keys.map((key) => {
    const number = numbers.get(key) ?? numbers.size;
    numbers.set(key, number);
    return number;
  });
  return { of, count: numbers.size };
}

/**
 * Adds to `hits` the value of every glob that covers the absolute path, some perhaps twice; marked, those that cover it only
 * if it is a directory. One table access a byte, whatever the number of globs.
 */
export function walkGlobs(automaton: GlobAutomaton, path: Uint8Array, hits: Hits): void {
  const { classes, classCount, next, firstPassing } = automaton;
  const isRoot = path.length === 1 && path[0] === slash;
  let state = start;
  if (!isRoot) {
    for (const byte of path) {
      state = next[state * classCount + (classes[byte] ?? 0)] ?? 0;
      if (state === 0) return;
      if (state >= firstPassing) report(automaton, state, 0, 0, hits);
    }
    report(automaton, state, 1, 0, hits);
  }
  // A directory is walked with a final `/`, which the root has.
  state = next[state * classCount + (classes[slash] ?? 0)] ?? 0;
  if (state !== 0) report(automaton, state, 2, 1, hits);
}

function report(automaton: GlobAutomaton, state: number, list: number, isDirectoryItself: 0 | 1, hits: Hits): void {
  const { acceptStarts, values } = automaton;
  const end = acceptStarts[state * 3 + list + 1] ?? 0;
  for (let place = acceptStarts[state * 3 + list] ?? 0; place < end; place++) {
    addHit(hits, values[place] ?? 0, isDirectoryItself);
  }
}
