import { literalPrefix, literalSuffix } from './glob.ts';
import type { Glob } from './glob.ts';
import { byteClassesOf, programOf } from './glob-program.ts';
import { PlaceSets } from './place-sets.ts';

/** Most pairs of states that one question may take: of all pairs of published rules none takes a tenth. */
export const maxContainmentStates = 20_000;

const slash = 0x2f;

/** An answer, `undefined` where it takes more states than it may, and how many it took. */
export interface Containment {
  readonly answer: boolean | undefined;
  readonly states: number;
}

/**
 * Whether every path that one of `inner` covers is covered by one of `outer`, over clean absolute paths, and every directory
 * likewise, decided within `maxStates`. Both are walked side by side, breadth first, so a
 * path that is in one alone is found as soon as one of its length is looked at.
 */
export function globsLieWithin(
  inner: readonly Glob[],
  outer: readonly Glob[],
  maxStates = maxContainmentStates,
): Containment {
  if (inner.some((glob) => !outer.some((other) => mayLieWithin(glob, other)))) return { answer: false, states: 0 };
  const left = new PlaceSets(programOf(inner.map((glob) => ({ glob, value: 0 }))));
  const right = new PlaceSets(programOf(outer.map((glob) => ({ glob, value: 0 }))));
  const { representatives } = byteClassesOf([left.program, right.program]);
  const slashed = (side: PlaceSets, places: readonly number[]): number[] => side.step(places, slash);
  // The root is the one directory whose path ends in a slash.
  const roots = [slashed(left, left.start()), slashed(right, right.start())] as const;
  if (left.directoryValues(roots[0]).length > 0 && right.directoryValues(roots[1]).length === 0) {
    return { answer: false, states: 1 };
  }

  const ofDirectories = inner.some(isOfDirectories);
  const seen = new Set<string>();
  let states: (readonly [readonly number[], readonly number[], boolean])[] = [[roots[0], roots[1], true]];
  while (states.length > 0) {
    const next: typeof states = [];
    for (const [one, other, afterSlash] of states) {
      for (const byte of representatives) {
        // No path has a NUL or an empty component.
        if (byte === 0 || (byte === slash && afterSlash)) continue;
        const inside = left.step(one, byte);
        if (inside.length === 0) continue;
        const outside = right.step(other, byte);
        const key = `${inside.join()};${outside.join()};${byte === slash ? 1 : 0}`;
        if (seen.has(key)) continue;
        if (seen.size >= maxStates) return { answer: undefined, states: seen.size };
        seen.add(key);
        if (byte !== slash) {
          const isOutside = right.pathValues(outside).length > 0;
          if (left.pathValues(inside).length > 0 && !isOutside) return { answer: false, states: seen.size };
          if (ofDirectories && !isOutside && left.directoryValues(slashed(left, inside)).length > 0) {
            if (right.directoryValues(slashed(right, outside)).length === 0)
              return { answer: false, states: seen.size };
          }
        }
        next.push([inside, outside, byte === slash]);
      }
    }
    states = next;
  }
  return { answer: true, states: seen.size };
}

/**
 * Whether what two globs begin and end with allows it, which settles nearly every pair: where one of them has a literal byte,
 * the other has that one, or `inner` a class, in which it may be.
 */
function mayLieWithin(inner: Glob, outer: Glob): boolean {
  if (isOfDirectories(outer) && !isOfDirectories(inner)) return false;
  // Of a directory the final slash may be left out.
  const [row, other] = [withoutFinalSlash(inner), withoutFinalSlash(outer)];
  return agrees(row, other, literalPrefix(other).length, 0) && agrees(row, other, literalSuffix(other).length, -1);
}

/** Compares `count` literal places of `outer` from the front (0) or the back (-1). */
function agrees(inner: Glob, outer: Glob, count: number, end: 0 | -1): boolean {
  for (let step = 0; step < count; step++) {
    const at = end === 0 ? step : -1 - step;
    const [one, other] = [inner.at(at), outer.at(at)];
    const byte = other?.kind === 'byte' ? other.bytes[0] : undefined;
    if (one?.kind !== 'byte' || byte === undefined || !one.bytes.includes(byte)) return false;
    if (one.bytes.length > 1) return true;
  }
  return true;
}

function isOfDirectories(glob: Glob): boolean {
  const last = glob.at(-1);
  return last?.kind === 'byte' && last.bytes[0] === slash;
}

function withoutFinalSlash(glob: Glob): Glob {
  return isOfDirectories(glob) ? glob.slice(0, -1) : glob;
}
