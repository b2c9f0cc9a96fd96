import { byteStringOfText } from './root-links.ts';
import type { ByteString } from './root-links.ts';

// AppArmor's globs over whole paths, as docs/policies.md has them. A pattern is taken apart in two steps: its alternatives are
// written out, so that what is left is a plain row of elements, and such a row is brought into one form.

/** What stands at one place of a glob. */
export type GlobElement =
  /** One byte out of these, ascending; never `/` but for that byte alone. */
  | { readonly kind: 'byte'; readonly bytes: readonly number[] }
  /** `?`: one byte but `/`. */
  | { readonly kind: 'any' }
  /** `*`: any bytes but `/`, also none. */
  | { readonly kind: 'star' }
  /** `**`: any bytes, also none. */
  | { readonly kind: 'anything' }
  /** `**` with a `/` before and behind, which has taken the one behind: whole components, each with its `/`, also none. */
  | { readonly kind: 'directories' };

/** One alternative of a pattern, absolute. Where it ends in `/` it covers directories only. */
export type Glob = readonly GlobElement[];

/** What became of a pattern: its alternatives, or what is wrong with it in a sentence. */
export type ParsedGlob = { readonly globs: readonly Glob[] } | { readonly problem: string };

/** Most alternatives of a pattern written out: `{a,b}{c,d}` are four. The most seen in use are two. */
export const maxAlternatives = 256;

/** Most elements of all alternatives together: room for 256 of 128 bytes. */
const maxElements = 32_768;

/** Deepest nesting of braces. */
const maxBraceDepth = 16;

const slash = 0x2f;
const slashElement: GlobElement = { kind: 'byte', bytes: [slash] };

/** Reads a pattern. Linear in the pattern and in the alternatives written out. */
export function parseGlob(pattern: string): ParsedGlob {
  const reading: Reading = { text: byteStringOfText(pattern), place: 0 };
  const rows = readAlternatives(reading, 0);
  if (typeof rows === 'string') return { problem: rows };
  if (rows.reduce((sum, row) => sum + row.length, 0) > maxElements) {
    return { problem: `Written out, its alternatives have more than ${maxElements} characters.` };
  }
  return { globs: rows.map(normalize) };
}

interface Reading {
  readonly text: ByteString;
  place: number;
}

type Row = readonly GlobElement[];

/** The rows up to the end, or up to the `,` or `}` that ends an alternative; a problem as text. */
function readAlternatives(reading: Reading, depth: number): readonly Row[] | string {
  let rows: GlobElement[][] = [[]];
  const { text } = reading;
  while (reading.place < text.length) {
    const character = text.charAt(reading.place);
    if (depth > 0 && (character === ',' || character === '}')) break;
    const next = character === '{' ? readBraces(reading, depth) : readElement(reading, character);
    if (typeof next === 'string') return next;
    if (rows.length * next.length > maxAlternatives) {
      return `Written out, its alternatives are more than ${maxAlternatives}.`;
    }
    rows = appended(rows, next);
  }
  return rows;
}

/** Rows of one element each are appended in place: a literal text would else take time in its square. */
function appended(rows: readonly GlobElement[][], next: readonly Row[]): GlobElement[][] {
  const [only, ...others] = next;
  if (only === undefined || others.length > 0) return rows.flatMap((row) => next.map((more) => [...row, ...more]));
  for (const row of rows) row.push(...only);
  return [...rows];
}

function readBraces(reading: Reading, depth: number): readonly Row[] | string {
  if (depth >= maxBraceDepth) return `Its braces are nested more than ${maxBraceDepth} deep.`;
  const rows: Row[] = [];
  for (;;) {
    reading.place += 1;
    const alternatives = readAlternatives(reading, depth + 1);
    if (typeof alternatives === 'string') return alternatives;
    rows.push(...alternatives);
    if (rows.length > maxAlternatives) return `Written out, its alternatives are more than ${maxAlternatives}.`;
    const end = reading.text.charAt(reading.place);
    if (end === '') return 'A brace is not closed: write `\\{` for the character.';
    if (end === '}') break;
  }
  reading.place += 1;
  return rows;
}

function readElement(reading: Reading, character: string): readonly Row[] | string {
  const { text } = reading;
  switch (character) {
    case '*': {
      const start = reading.place;
      while (text.charAt(reading.place) === '*') reading.place += 1;
      return [[{ kind: reading.place - start === 1 ? 'star' : 'anything' }]];
    }
    case '?':
      reading.place += 1;
      return [[{ kind: 'any' }]];
    case '[':
      return readClass(reading);
    case '}':
      return 'A brace is closed that was not opened: write `\\}` for the character.';
    case '\\':
      if (reading.place + 1 >= text.length) return 'It ends in a `\\`, which escapes the character behind it.';
      reading.place += 2;
      return [[literal(text.charCodeAt(reading.place - 1))]];
    default:
      reading.place += 1;
      return [[literal(character.charCodeAt(0))]];
  }
}

function literal(byte: number): GlobElement {
  return { kind: 'byte', bytes: [byte] };
}

/** `[a-z]`, `[^a-z]`. It never matches `/`. */
function readClass(reading: Reading): readonly Row[] | string {
  const { text } = reading;
  let place = reading.place + 1;
  const negated = text.charAt(place) === '^';
  if (negated) place += 1;
  const listed = new Set<number>();
  let previous = -1;
  for (let first = true; ; first = false) {
    const character = text.charAt(place);
    if (character === '') return 'A class is not closed: write `\\[` for the character.';
    if (character === ']' && !first) break;
    const isRange = character === '-' && previous !== -1 && text.charAt(place + 1) !== ']';
    if (isRange) place += 1;
    if (text.charAt(place) === '\\') place += 1;
    const byte = text.charCodeAt(place);
    if (Number.isNaN(byte)) return 'A class is not closed: write `\\[` for the character.';
    if (byte >= 0x80) return 'A class is about single bytes: write other characters as alternatives, `{ä,ö}`.';
    if (isRange && byte < previous) return 'A range of a class ends before it begins.';
    for (let one = isRange ? previous : byte; one <= byte; one++) listed.add(one);
    previous = isRange ? -1 : byte;
    place += 1;
  }
  reading.place = place + 1;
  const bytes: number[] = [];
  for (let byte = 1; byte < 256; byte++) if (byte !== slash && listed.has(byte) !== negated) bytes.push(byte);
  return bytes.length === 0 ? 'A class matches nothing: `/` is in none.' : [[{ kind: 'byte', bytes }]];
}

/** The one form of a row: absolute, no empty component, `**` between two `/` as `directories`. */
function normalize(row: Row): Glob {
  const rooted: Row = isSlash(row[0]) ? row : [slashElement, { kind: 'anything' }, slashElement, ...row];
  const glob: GlobElement[] = [];
  for (let place = 0; place < rooted.length; place++) {
    const element = rooted[place];
    const before = glob.at(-1);
    if (element === undefined) break;
    const atStart = isSlash(before) || before?.kind === 'directories';
    if (element.kind === 'anything' && atStart && isSlash(rooted[place + 1]) && place + 2 < rooted.length) {
      // What follows the `/` is something: `/etc/**/` are directories inside, not /etc itself.
      if (before?.kind !== 'directories') glob.push({ kind: 'directories' });
      place += 1;
    } else if (isSlash(element) && atStart) {
      // The kernel knows no empty component.
    } else if (element.kind === 'anything' && before?.kind === 'star') {
      glob[glob.length - 1] = element;
    } else if (element.kind === 'anything' && before?.kind === 'anything') {
      // Once more says nothing more.
    } else if (element.kind === 'star' && (before?.kind === 'star' || before?.kind === 'anything')) {
      // Likewise.
    } else {
      glob.push(element);
    }
  }
  return glob;
}

function isSlash(element: GlobElement | undefined): boolean {
  return element?.kind === 'byte' && element.bytes.length === 1 && element.bytes[0] === slash;
}

/** The bytes with which all that a glob matches begins: what stands before the first wildcard. */
export function literalPrefix(glob: Glob): ByteString {
  let prefix = '';
  for (const element of glob) {
    const [byte, ...others] = element.kind === 'byte' ? element.bytes : [];
    if (byte === undefined || others.length > 0) break;
    prefix += String.fromCharCode(byte);
  }
  return prefix;
}

/** The bytes with which all that a glob matches ends. */
export function literalSuffix(glob: Glob): ByteString {
  let suffix = '';
  for (let place = glob.length - 1; place >= 0; place--) {
    const element = glob[place];
    const [byte, ...others] = element?.kind === 'byte' ? element.bytes : [];
    if (byte === undefined || others.length > 0) break;
    suffix = String.fromCharCode(byte) + suffix;
  }
  return suffix;
}

/** Whether a glob has no wildcards: then it is a path, or one directory. */
export function isLiteral(glob: Glob): boolean {
  return literalPrefix(glob).length === glob.length;
}

/** A glob that matches these bytes alone. */
export function globOfBytes(bytes: ByteString): Glob {
  return Array.from(bytes, (character) => literal(character.charCodeAt(0)));
}

/** Equal for equal globs, and for no others. */
export function globKey(glob: Glob): string {
  return glob
    .map((element) => {
      switch (element.kind) {
        case 'byte':
          return element.bytes.join('.');
        case 'any':
          return '?';
        case 'star':
          return '*';
        case 'anything':
          return '**';
        case 'directories':
          return '**/';
      }
    })
    .join(' ');
}
