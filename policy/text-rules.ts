import { parseGlob } from './glob.ts';
import { nearestName } from './nearest.ts';
import type { Shape, TextProblem } from './shape.ts';

/** Longest path, as KubeArmor's CRDs have it. */
const maxPathLength = 200;

/** Longest directory: the kernel's own limit for a path (PATH_MAX). */
const maxDirectoryLength = 4096;

/** Longest file name (NAME_MAX). */
const maxNameLength = 255;

/** Longest tag, message or label that is kept. */
export const maxTextLength = 4096;

function problem(
  severity: 'error' | 'warning',
  message: string,
  more: Pick<TextProblem, 'expected' | 'suggestion'> = {},
): readonly TextProblem[] {
  return [{ severity, message, ...more }];
}

/** `path` of a rule: one file, compared as it stands. */
export const rulePath: Shape = { type: 'text', maxLength: maxPathLength, problems: pathProblems };

/** `path` of a fromSource: one executable. */
export const sourcePath: Shape = {
  type: 'text',
  maxLength: maxPathLength,
  problems: (text) =>
    text.endsWith('/')
      ? problem('error', 'A source is one executable, so a directory here would match nothing: name the program.', {
          expected: 'the absolute path of an executable',
        })
      : pathProblems(text),
};

function pathProblems(text: string): readonly TextProblem[] {
  const expected = 'an absolute path without a final /';
  if (text.includes('\0')) return problem('error', 'A path holds no NUL character.', { expected });
  if (!text.startsWith('/')) {
    return problem('error', `Expected ${expected}, got "${text}".`, { expected, suggestion: `/${text}` });
  }
  if (text.endsWith('/')) {
    const message = `A \`path\` names one file. For what is in a directory use \`matchDirectories\` with \`dir: ${text}\`.`;
    return problem('error', message, { expected, suggestion: `dir: ${text}` });
  }
  if (hasWildcards(text)) {
    const message = 'A `path` is compared as it stands, its wildcards too. Globs are for `matchPatterns`.';
    return problem('warning', message, { suggestion: `pattern: ${text}` });
  }
  return cleanProblems(text);
}

/** `dir` of a rule. */
export const directory: Shape = {
  type: 'text',
  maxLength: maxDirectoryLength,
  problems: (text) => {
    const expected = 'an absolute path with a final /';
    if (text.includes('\0')) return problem('error', 'A path holds no NUL character.', { expected });
    if (!text.startsWith('/') || !text.endsWith('/')) {
      const suggestion = `/${text}/`.replaceAll(/\/{2,}/g, '/');
      return problem('error', `Expected ${expected}, got "${text}". Write ${suggestion}.`, { expected, suggestion });
    }
    if (hasWildcards(text)) {
      const message = 'A `dir` is compared as it stands, its wildcards too. Globs are for `matchPatterns`.';
      return problem('warning', message, { suggestion: `pattern: ${text}**` });
    }
    return cleanProblems(text);
  },
};

function cleanProblems(text: string): readonly TextProblem[] {
  const clean = cleanPath(text);
  if (clean === text) return [];
  return problem('warning', `The kernel knows no path "${text}"; it is read as ${clean}.`, { suggestion: clean });
}

/** An absolute path without `.`, `..` and empty components; a final `/` stays. */
export function cleanPath(path: string): string {
  const components: string[] = [];
  for (const component of path.split('/')) {
    if (component === '..') components.pop();
    else if (component !== '' && component !== '.') components.push(component);
  }
  const clean = `/${components.join('/')}`;
  return clean !== '/' && path.endsWith('/') ? `${clean}/` : clean;
}

/** `execname`: the last component of a program's path. */
export const executableName: Shape = {
  type: 'text',
  maxLength: maxNameLength,
  problems: (text) =>
    text === '' || text.includes('/') || text.includes('\0')
      ? problem('error', `Expected the name of a program without /, got "${text}".`, { expected: 'a name without /' })
      : [],
};

/** `pattern`: a glob over a whole path (glob.ts). */
export const pattern: Shape = {
  type: 'text',
  maxLength: maxDirectoryLength,
  problems: (text) => {
    const expected = 'a glob over a path (`*`, `**`, `?`, `[a-z]`, `{a,b}`)';
    if (text === '') return problem('error', 'A pattern must not be empty.', { expected });
    if (text.includes('\0')) return problem('error', 'A path holds no NUL character.', { expected });
    const parsed = parseGlob(text);
    if ('problem' in parsed) return problem('error', `This is no glob. ${parsed.problem}`, { expected });
    return patternSlips(text);
  },
};

function patternSlips(text: string): readonly TextProblem[] {
  if (/\s-/.test(text)) {
    return problem('warning', 'A pattern is about the path of the program, never about its arguments.');
  }
  if (/\.\*|\.\+|\\[dws]|^\^|\$$|\(/.test(text)) {
    return problem('warning', 'A pattern is a glob (`*`, `**`, `?`, `[a-z]`, `{a,b}`), no regular expression.');
  }
  return [];
}

/** One of a few words; other capitals are accepted with a warning. */
export function word(words: readonly string[]): Shape {
  const expected = words.length === 1 ? words.join() : `one of ${words.join(', ')}`;
  return {
    type: 'text',
    maxLength: maxTextLength,
    problems: (text) => {
      if (words.includes(text)) return [];
      const meant = wordOf(words, text);
      if (meant !== undefined) {
        return problem('warning', `"${text}" is read as ${meant}; write it so.`, { expected, suggestion: meant });
      }
      const suggestion = nearestName(text, words);
      const hint = suggestion === undefined ? '' : ` Did you mean ${suggestion}?`;
      return problem('error', `Expected ${expected}, got "${text}".${hint}`, {
        expected,
        ...(suggestion === undefined ? {} : { suggestion }),
      });
    },
  };
}

/** The word that `text` is, whatever its capitals. */
export function wordOf<Word extends string>(words: readonly Word[], text: string): Word | undefined {
  const lower = text.toLowerCase();
  return words.find((one) => one.toLowerCase() === lower);
}

/** A comma list of words in any case, as in `protocol: tcp,udp`. */
export function commaList(words: readonly string[] | undefined, what: string): Shape {
  return {
    type: 'text',
    maxLength: maxTextLength,
    problems: (text) => {
      const elements = text.split(',').map((element) => element.trim());
      if (elements.includes('')) return problem('error', `Expected ${what}, or several with commas, got "${text}".`);
      return elements.flatMap((element) => {
        if (words === undefined || wordOf(words, element) !== undefined) return [];
        const suggestion = nearestName(element, words);
        const hint = suggestion === undefined ? '' : ` Did you mean ${suggestion}?`;
        return problem('error', `"${element}" is no ${what}.${hint}`, suggestion === undefined ? {} : { suggestion });
      });
    },
  };
}

/** A name of an object of Kubernetes, as far as it must be one to be part of a key. */
export const objectName: Shape = {
  type: 'text',
  maxLength: 253,
  problems: (text) =>
    /^[^/\s]+$/.test(text) ? [] : problem('error', `Expected a name without / and spaces, got "${text}".`),
};

/** Text of any content. */
export const freeText: Shape = { type: 'text', maxLength: maxTextLength };

/** A lone `[` is a program of its own (`/usr/bin/[`). */
function hasWildcards(text: string): boolean {
  return /[*?{}]|\[[^]*\]/.test(text);
}
