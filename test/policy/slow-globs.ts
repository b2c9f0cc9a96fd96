// KubeArmor's patterns once more, by regular expressions: slow, and to be seen right at a glance. The oracle of the automata.

/** One alternative of a pattern. Text is bytes, one character each. */
export interface SlowGlob {
  /** Without any wildcard: the path that it is, with a final `/` where it is a directory alone. */
  readonly literal: string | undefined;
  /** Bytes before the first wildcard, `/` at least. */
  readonly literalPrefix: string;
  /** The pattern ends in `/`: it covers directories, and their paths are compared with a final `/`. */
  readonly directoriesOnly: boolean;
  readonly whole: RegExp;
  /** The pattern without its first tokens, for each number of tokens: what the end of a path may match. */
  readonly ends: readonly RegExp[];
}

/** The alternatives of a pattern, written out. */
export function slowGlobs(pattern: string): readonly SlowGlob[] {
  const bytes = Buffer.from(pattern, 'utf8').toString('latin1');
  return [...new Set(writtenOut(bytes))].map(slowGlob);
}

/** `a{b,c}d` → `abd`, `acd`. */
function writtenOut(pattern: string): readonly string[] {
  const tokens = tokensOf(pattern);
  const open = tokens.indexOf('{');
  if (open === -1) return [pattern];
  let depth = 0;
  const parts: string[] = [''];
  for (let place = open; place < tokens.length; place++) {
    const token = tokens[place] ?? '';
    if (token === '{' && depth++ === 0) continue;
    if (token === '}' && --depth === 0) {
      const [before, after] = [tokens.slice(0, open).join(''), tokens.slice(place + 1).join('')];
      return parts.flatMap((part) => writtenOut(before + part + after));
    }
    if (token === ',' && depth === 1) parts.push('');
    else parts.push(`${parts.pop() ?? ''}${token}`);
  }
  throw new Error(`a brace of ${pattern} is not closed`);
}

/** Characters with their escapes, classes, runs of stars. */
function tokensOf(pattern: string): string[] {
  return pattern.match(/\\[^]|\[\^?\]?(?:\\[^]|[^\]])*\]|\*+|[^]/g) ?? [];
}

function slowGlob(written: string): SlowGlob {
  const tokens = tokensOf(written);
  const isSlash = (token: string | undefined): boolean => token === '/' || token === '\\/';
  if (!isSlash(tokens[0])) tokens.unshift('/', '**', '/');
  const isLiteral = (token: string): boolean => !/^(\*|\?|\[)/.test(token);
  const characterOf = (token: string): string => (token.length === 2 ? token.slice(1) : token);
  const prefixLength = tokens.findIndex((token) => !isLiteral(token));
  const sources: string[] = [];
  for (let place = 0; place < tokens.length; place++) {
    const token = tokens[place] ?? '';
    // Whole components may be none, where something follows them.
    const wholeComponents =
      token.startsWith('**') && isSlash(tokens[place - 1]) && isSlash(tokens[place + 1]) && place + 2 < tokens.length;
    if (wholeComponents) {
      sources.push('(?:[^]*/)?');
      place += 1;
    } else if (token.startsWith('**')) sources.push('[^]*');
    else if (token === '*') sources.push('[^/]*');
    else if (token === '?') sources.push('[^/]');
    else if (token.startsWith('[')) sources.push(`(?!/)${token.replace(/^(\[\^?)\]/, '$1\\]')}`);
    else sources.push(characterOf(token).replace(/[$()*+./?[\\\]^{|}-]/, '\\$&'));
  }
  const regExp = (from: number): RegExp => new RegExp(`^${sources.slice(from).join('')}$`);
  const literal = prefixLength === -1 ? tokens.map(characterOf).join('') : undefined;
  return {
    literal,
    literalPrefix: literal ?? tokens.slice(0, prefixLength).map(characterOf).join(''),
    directoriesOnly: isSlash(tokens.at(-1)),
    whole: regExp(0),
    ends: sources.map((_, from) => regExp(from)),
  };
}

/** Whether a path that is no directory is matched. */
export function matchesPath(glob: SlowGlob, path: string): boolean {
  return !glob.directoriesOnly && path !== '/' && glob.whole.test(path);
}

/** Whether a directory is matched only because it is one. */
export function matchesDirectory(glob: SlowGlob, path: string): boolean {
  return glob.directoriesOnly && glob.whole.test(path === '/' ? '/' : `${path}/`);
}
