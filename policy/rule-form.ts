import { parseGlob } from './glob.ts';
import { PlaceSets, programOf } from './glob-program.ts';
import type { Subject } from './model.ts';
import { byteStringOfText } from './root-links.ts';
import type { ByteString, ResolvedLink } from './root-links.ts';

/**
 * A path that a rule covers, in the form that the rule is written in: `/bin/ls` for `/usr/bin/ls` where the rule says `/bin/`
 * and /bin is a link. The path as it is where it needs no other form.
 */
export function pathInRuleForm(subject: Subject, path: ByteString, links: readonly ResolvedLink[]): ByteString {
  if (coversAsWritten(subject, path)) return path;
  for (const { from, to } of links) {
    for (const [one, other] of [
      [to, from],
      [from, to],
    ] as const) {
      if (path !== one && !path.startsWith(`${one}/`)) continue;
      const form = other + path.slice(one.length);
      if (coversAsWritten(subject, form)) return form;
    }
  }
  return path;
}

function coversAsWritten(subject: Subject, path: ByteString): boolean {
  switch (subject.kind) {
    case 'path':
      return path === byteStringOfText(subject.path);
    case 'directory': {
      const directory = byteStringOfText(subject.directory);
      if (`${path}/` === directory) return true;
      return path.startsWith(directory) && (subject.recursive || !path.includes('/', directory.length));
    }
    case 'pattern':
      return matchesPattern(subject.pattern, path);
    case 'name':
    case 'protocol':
    case 'domain':
    case 'capability':
      return true;
  }
}

function matchesPattern(pattern: string, path: ByteString): boolean {
  const parsed = parseGlob(pattern);
  if ('problem' in parsed) return false;
  const walk = new PlaceSets(programOf(parsed.globs.map((glob) => ({ glob, value: 0 }))));
  const reached = path === '/' ? walk.start() : walk.stepAll(walk.start(), path);
  return walk.pathValues(reached).length > 0 || walk.directoryValues(walk.step(reached, 0x2f)).length > 0;
}
