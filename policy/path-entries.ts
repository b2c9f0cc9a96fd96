import type { CanonicalPathSubject } from './canonical-subject.ts';
import type { TrieEntry } from './path-trie.ts';
import type { ResolvedLink } from './root-links.ts';

/**
 * All entries by which a walk finds a subject, whichever side of a root link the walked path is on. A path is found where it
 * or its canonical form is covered; so the other forms are: below a link's target the same below the link; and where the
 * target itself is inside the directory, the link and, for a recursive one, all below it.
 */
export function entriesOf(
  subject: Extract<CanonicalPathSubject, { kind: 'path' | 'directory' }>,
  links: readonly ResolvedLink[],
  value: number,
): readonly TrieEntry[] {
  if (subject.kind === 'path') {
    const { path } = subject;
    const entries: TrieEntry[] = [{ bytes: path, kind: 'exact', value }];
    for (const { from, to } of links) {
      if (path === to || path.startsWith(`${to}/`)) {
        entries.push({ bytes: from + path.slice(to.length), kind: 'exact', value });
      }
    }
    return entries;
  }
  const { directory, recursive } = subject;
  const kind = recursive ? 'recursive' : 'directory';
  const entries: TrieEntry[] = [{ bytes: directory, kind, value }];
  for (const { from, to } of links) {
    if (directory.startsWith(`${to}/`)) {
      entries.push({ bytes: from + directory.slice(to.length), kind, value });
    } else if (to.startsWith(directory) && (recursive || !to.includes('/', directory.length))) {
      entries.push({ bytes: from, kind: 'exact', value });
      if (recursive) entries.push({ bytes: `${from}/`, kind, value });
    }
  }
  return entries;
}
