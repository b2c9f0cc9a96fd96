import test from 'ava';
import fc from 'fast-check';
import { buildPathTrie, createHits, findExact, walkPath } from '../../policy/path-trie.ts';
import type { TrieEntry } from '../../policy/path-trie.ts';

const component = fc.constantFrom('a', 'b', 'ab', '\u00ff', ' ');
const absolute = fc.array(component, { minLength: 1, maxLength: 4 }).map((parts) => `/${parts.join('/')}`);
const entry = fc.oneof(
  absolute.map((bytes) => ({ bytes, kind: 'exact' as const })),
  fc.record({
    bytes: fc.oneof(
      fc.constant('/'),
      absolute.map((one) => `${one}/`),
    ),
    kind: fc.constantFrom('directory' as const, 'recursive' as const),
  }),
);
const entries = fc
  .array(entry, { maxLength: 30 })
  .map((drafts) => drafts.map((draft, value): TrieEntry => ({ ...draft, value })));

test('a walk finds what looking at every entry finds', (t) => {
  const paths = fc.oneof(fc.constant('/'), absolute);
  fc.assert(
    fc.property(entries, paths, (all, path) => {
      const hits = createHits();
      walkPath(buildPathTrie(all), Buffer.from(path, 'latin1'), hits);
      const found = Array.from({ length: hits.count }, (_, at) => `${hits.values[at]} ${hits.isDirectoryItself[at]}`);
      const expected = all.flatMap(({ bytes, kind, value }) => {
        const rest = path.startsWith(bytes) ? path.slice(bytes.length) : '';
        if (kind === 'exact' ? path === bytes : rest !== '' && (kind === 'recursive' || !rest.includes('/'))) {
          return [`${value} 0`];
        }
        return kind !== 'exact' && (path === '/' ? '/' : `${path}/`) === bytes ? [`${value} 1`] : [];
      });
      t.deepEqual(found.sort(), expected.sort());
    }),
    { numRuns: 1000 },
  );
});

test('a node with children by every byte finds each of them and no other', (t) => {
  const odd = Array.from({ length: 128 }, (_, place): TrieEntry => {
    return { bytes: String.fromCharCode(2 * place + 1), kind: 'exact', value: place };
  });
  const trie = buildPathTrie(odd);
  for (let byte = 0; byte < 256; byte++) {
    const hits = createHits();
    findExact(trie, Uint8Array.of(byte), 0, hits);
    t.deepEqual([...hits.values.subarray(0, hits.count)], byte % 2 === 1 ? [(byte - 1) / 2] : []);
  }
});

test('an empty trie finds nothing, whatever the bytes', (t) => {
  const trie = buildPathTrie([]);
  for (const bytes of ['', '/', '/a', 'a', '//', '/a/']) {
    const hits = createHits();
    walkPath(trie, Buffer.from(bytes), hits);
    findExact(trie, Buffer.from(bytes), 0, hits);
    t.is(hits.count, 0);
  }
});

test('more hits than the first buffer holds are all reported', (t) => {
  const many = Array.from({ length: 500 }, (_, value): TrieEntry => ({ bytes: '/a/', kind: 'recursive', value }));
  const hits = createHits();
  walkPath(buildPathTrie(many), Buffer.from('/a/b'), hits);
  t.is(hits.count, 500);
  t.is(new Set(hits.values.subarray(0, 500)).size, 500);
});
