import { InvalidArgumentError } from 'commander';
import { nearestName } from '../policy/nearest.ts';

/*
 * Values that people give to options, as commander wants their parsers; each throws its InvalidArgumentError, which names the
 * option and what it got. Of an option that takes several values a parser is called for each, with those before.
 */

/** A name of a file; an empty one comes of a shell's variable that was never set. */
export function parseFile(text: string): string {
  if (text !== '') return text;
  throw new InvalidArgumentError('Give the name of a file.');
}

/** One more name. An empty one would widen or narrow a question without a word. */
export function collectName(text: string, before: readonly string[] = []): readonly string[] {
  if (text !== '') return [...before, text];
  throw new InvalidArgumentError('Give a name that is not empty.');
}

/** One more of these words, in any case, as it is written here. */
export function collectWord(words: readonly string[]): (text: string, before?: readonly string[]) => readonly string[] {
  return (text, before = []) => {
    const word = words.find((one) => one.toLowerCase() === text.toLowerCase());
    if (word !== undefined) return [...before, word];
    const nearest = nearestName(text, words);
    const suggestion = nearest === undefined ? '' : ` Did you mean ${nearest}?`;
    throw new InvalidArgumentError(`Give ${listed(words)}.${suggestion}`);
  };
}

function listed(words: readonly string[]): string {
  return `${words.slice(0, -1).join(', ')} or ${words.at(-1) ?? ''}`;
}
