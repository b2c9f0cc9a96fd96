import { globKey } from './glob.ts';
import type { Glob } from './glob.ts';
import { buildGlobAutomaton } from './glob-automaton.ts';
import type { GlobAutomaton, GlobLimits } from './glob-automaton.ts';
import type { ValuedGlob } from './glob-program.ts';

/**
 * Most steps that are spent on automata of several globs; what is left then gets one each. Some seconds: sets in use take a
 * hundredth.
 */
const maxStepsTogether = 50_000_000;

/**
 * Globs as few automata as the limits allow: those that begin at any depth and those that count their components apart, since
 * together they need a state for each of the one at each depth of the other; of either all together, else each half of them,
 * and so on. How they are cut changes nothing but the time that a walk takes. A glob that passes the limits even alone is
 * among the `refused`.
 */
export function buildGlobSet(
  globs: readonly ValuedGlob[],
  limits: GlobLimits,
): { readonly automata: readonly GlobAutomaton[]; readonly refused: readonly ValuedGlob[] } {
  const automata: GlobAutomaton[] = [];
  const refused: ValuedGlob[] = [];
  const sorted = sortedByText(globs);
  const waiting = [sorted.filter(({ glob }) => !isFloating(glob)), sorted.filter(({ glob }) => isFloating(glob))];
  let stepsLeft = maxStepsTogether;
  for (let some = waiting.pop(); some !== undefined; some = waiting.pop()) {
    const [only] = some;
    if (only === undefined) continue;
    const isAlone = some.length === 1;
    const allowed = isAlone ? limits.steps : Math.min(limits.steps, stepsLeft);
    const { automaton, steps } = buildGlobAutomaton(some, { ...limits, steps: allowed });
    if (!isAlone) stepsLeft -= steps;
    if (automaton !== undefined) {
      automata.push(automaton);
    } else if (isAlone) {
      refused.push(only);
    } else {
      const middle = Math.ceil(some.length / 2);
      waiting.push(some.slice(middle), some.slice(0, middle));
    }
  }
  return { automata, refused };
}

/** What begins alike shares states, and so should an automaton; and the order in which globs came should change nothing. */
function sortedByText(globs: readonly ValuedGlob[]): readonly ValuedGlob[] {
  return globs
    .map((valued) => ({ valued, key: globKey(valued.glob) }))
    .sort((one, other) => (one.key < other.key ? -1 : one.key > other.key ? 1 : one.valued.value - other.valued.value))
    .map(({ valued }) => valued);
}

/** Whether it begins with `/**` and so may match from any component on. */
function isFloating([, second]: Glob): boolean {
  return second?.kind === 'directories' || second?.kind === 'anything';
}
