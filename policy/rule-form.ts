import { parseGlob } from './glob.ts';
import { programOf } from './glob-program.ts';
import { PlaceSets } from './place-sets.ts';
import type { Subject } from './model.ts';
import { byteStringOfText } from './root-links.ts';
import type { ByteString, ResolvedLink } from './root-links.ts';

/** A pattern as it is written, to be walked; `undefined` for other subjects. Made once a rule: reading a pattern takes time. */
export function writtenPattern(subject: Subject): PlaceSets | undefined {
  if (subject.kind !== 'pattern') return undefined;
  const parsed = parseGlob(subject.pattern);
  if ('problem' in parsed) throw new Error(`a pattern that can't be read was refused before: ${parsed.problem}`);
  return new PlaceSets(programOf(parsed.globs.map((glob) => ({ glob, value: 0 }))));
}

/** What is compared: a subject, and where it is a pattern, that as `writtenPattern` has it. */
export interface WrittenSubject {
  readonly subject: Subject;
  readonly pattern: PlaceSets | undefined;
}

/**
 * A path that a rule covers, in the form that the rule is written in: `/bin/ls` for `/usr/bin/ls` where the rule says `/bin/`
 * and /bin is a link. The path as it is where it needs no other form, or has none.
 */
export function pathInRuleForm(written: WrittenSubject, path: ByteString, links: readonly ResolvedLink[]): ByteString {
  const forms = otherForms(path, links);
  if (forms.length === 0 || coversAsWritten(written, path)) return path;
  return forms.find((form) => coversAsWritten(written, form)) ?? path;
}

function otherForms(path: ByteString, links: readonly ResolvedLink[]): readonly ByteString[] {
  const forms: ByteString[] = [];
  for (const { from, to } of links) {
    for (const [one, other] of [
      [to, from],
      [from, to],
    ] as const) {
      if (path === one || path.startsWith(`${one}/`)) forms.push(other + path.slice(one.length));
    }
  }
  return forms;
}

function coversAsWritten({ subject, pattern }: WrittenSubject, path: ByteString): boolean {
  switch (subject.kind) {
    case 'path':
      return path === byteStringOfText(subject.path);
    case 'directory': {
      const directory = byteStringOfText(subject.directory);
      if (`${path}/` === directory) return true;
      return path.startsWith(directory) && (subject.recursive || !path.includes('/', directory.length));
    }
    case 'pattern':
      return pattern !== undefined && matchesPattern(pattern, path);
    case 'name':
    case 'protocol':
    case 'domain':
    case 'capability':
      return true;
  }
}

function matchesPattern(walk: PlaceSets, path: ByteString): boolean {
  const reached = path === '/' ? walk.start() : walk.stepAll(walk.start(), path);
  return walk.pathValues(reached).length > 0 || walk.directoryValues(walk.step(reached, 0x2f)).length > 0;
}
