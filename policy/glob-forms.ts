import { globOfBytes, literalPrefix } from './glob.ts';
import type { Glob, GlobElement } from './glob.ts';
import { programOf } from './glob-program.ts';
import { PlaceSets } from './place-sets.ts';
import type { ByteString, ResolvedLink } from './root-links.ts';

// A pattern covers a path on either side of a root link if it matches one of them. So that one walk is enough, what it
// covers on the other sides is written out as globs of their own.

const slashElement: GlobElement = { kind: 'byte', bytes: [0x2f] };

/** `glob` with the link that it goes through replaced by its target; itself where it goes through none for certain. */
export function canonicalGlob(glob: Glob, links: readonly ResolvedLink[]): Glob {
  const prefix = literalPrefix(glob);
  for (const { from, to } of links) {
    if (prefix.startsWith(`${from}/`)) return [...globOfBytes(to), ...glob.slice(from.length)];
  }
  return glob;
}

/**
 * Globs that together match each path of which `glob` matches some form: `glob` first. A path's forms are what is below a
 * link and the same below its target, and the link and the target themselves.
 */
export function formsOfGlob(glob: Glob, links: readonly ResolvedLink[]): readonly Glob[] {
  if (links.length === 0) return [glob];
  const walk = new PlaceSets(programOf([{ glob, value: 0 }]));
  const start = walk.start();
  const members = new Map<ByteString, ByteString[]>();
  for (const { from, to } of links) members.set(to, [...(members.get(to) ?? [to]), from]);
  const forms: Glob[] = [glob];
  for (const sides of members.values()) {
    const reached = sides.map((side) => new Set(walk.stepAll(start, side)));
    const all = new Set(reached.flatMap((places) => [...places]));
    for (const [place, side] of sides.entries()) {
      const missing = new Set([...all].filter((one) => reached[place]?.has(one) !== true));
      for (const rest of restsOf(glob, missing)) forms.push([...globOfBytes(side), ...rest]);
    }
  }
  return forms;
}

/** What `glob` matches from `places` of its program on, as far as that is nothing or begins with `/`. */
function restsOf(glob: Glob, places: ReadonlySet<number>): readonly Glob[] {
  const rests: Glob[] = [];
  let place = 0;
  for (const [index, element] of glob.entries()) {
    switch (element.kind) {
      case 'byte':
        if (places.has(place) && element.bytes[0] === 0x2f) rests.push(glob.slice(index));
        break;
      case 'any':
      case 'star':
        // Neither takes a `/`; what follows a star is among the places itself.
        break;
      case 'anything':
        if (!places.has(place)) break;
        rests.push([slashElement, ...glob.slice(index)]);
        // At the end it also matches that nothing follows.
        if (index === glob.length - 1) rests.push([]);
        break;
      case 'directories':
        if (places.has(place + 1)) rests.push([slashElement, ...glob.slice(index)]);
        else if (places.has(place + 2)) rests.push([slashElement, ...glob.slice(index + 1)]);
        place += 2;
        break;
    }
    place += 1;
  }
  const last = glob.at(-1);
  // The place behind the last element accepts; behind a final `/` no side ends, and a final `**` has none behind it.
  if (places.has(place) && last?.kind !== 'anything') rests.push([]);
  return rests;
}
