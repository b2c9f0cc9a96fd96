import test from 'ava';
import fc from 'fast-check';
import { parseGlob } from '../../policy/glob.ts';
import { buildGlobAutomaton, globLimits, walkGlobs } from '../../policy/glob-automaton.ts';
import type { GlobAutomaton, GlobLimits } from '../../policy/glob-automaton.ts';
import { buildGlobSet } from '../../policy/glob-set.ts';
import type { ValuedGlob } from '../../policy/glob-program.ts';
import { parsePolicy } from '../../policy/parse.ts';
import { createHits } from '../../policy/path-trie.ts';
import { matchesDirectory, matchesPath, slowGlobs } from './slow-globs.ts';

function globsOf(patterns: readonly string[]): readonly ValuedGlob[] {
  return patterns.flatMap((pattern, value) => {
    const parsed = parseGlob(pattern);
    if ('problem' in parsed) throw new Error(`${pattern}: ${parsed.problem}`);
    return parsed.globs.map((glob) => ({ glob, value }));
  });
}

/** Which of the patterns cover the path: as it is, and only as a directory. */
function found(automata: readonly GlobAutomaton[], path: string): { paths: number[]; directories: number[] } {
  const hits = createHits();
  for (const automaton of automata) walkGlobs(automaton, Buffer.from(path, 'latin1'), hits);
  const of = (itself: number): number[] =>
    [...new Set(hits.values.subarray(0, hits.count))]
      .filter((value) =>
        hits.values.subarray(0, hits.count).some((one, at) => one === value && hits.isDirectoryItself[at] === itself),
      )
      .sort((one, other) => one - other);
  return { paths: of(0), directories: of(1) };
}

function compiled(patterns: readonly string[], limits: GlobLimits = globLimits): readonly GlobAutomaton[] {
  const { automata, refused } = buildGlobSet(globsOf(patterns), limits);
  if (refused.length > 0) throw new Error('refused');
  return automata;
}

// The truth table: AppArmor's (apparmor.d(5), "Globbing"), but for the rows that say otherwise.
const table: Readonly<Record<string, { readonly yes: readonly string[]; readonly no: readonly string[] }>> = {
  '/a/b': { yes: ['/a/b'], no: ['/a/b/c', '/a', '/x/a/b'] },
  '/a/*': { yes: ['/a/b', '/a/.b', '/a/b c'], no: ['/a', '/a/b/c', '/b'] },
  '/a/*c': { yes: ['/a/c', '/a/bc'], no: ['/a/b/c', '/a/cb'] },
  '/a*/c': { yes: ['/a/c', '/abc/c'], no: ['/a/b/c', '/b/c'] },
  '/a/**': { yes: ['/a/b', '/a/b/c'], no: ['/a', '/ab'] },
  '/a**': { yes: ['/a', '/ab', '/a/b'], no: ['/b', '/b/a'] },
  '/a/**c': { yes: ['/a/c', '/a/b/c', '/a/bc'], no: ['/ac', '/a/cb'] },
  '/a/**/c': { yes: ['/a/b/c', '/a/b/b/c', '/a/c'], no: ['/ac', '/a/bc'] }, // AppArmor: not /a/c.
  '/**/x': { yes: ['/x', '/a/x', '/a/b/x'], no: ['/ax', '/x/a'] }, // AppArmor: not /x.
  '**/x': { yes: ['/x', '/a/b/x'], no: ['/ax'] }, // AppArmor: no rule.
  'x*': { yes: ['/x', '/a/xy'], no: ['/ax', '/x/a'] }, // AppArmor: no rule.
  '/**': { yes: ['/a', '/a/b'], no: [] },
  '/a/?': { yes: ['/a/b'], no: ['/a/bb', '/a'] },
  '/a?b': { yes: ['/axb'], no: ['/a/b', '/ab', '/aéb'] },
  '/a/[b-d]': { yes: ['/a/b', '/a/d'], no: ['/a/e', '/a/-'] },
  '/a/[^b-d]': { yes: ['/a/e'], no: ['/a/c', '/a'] },
  '/a[^b]c': { yes: ['/axc'], no: ['/a/c', '/abc'] },
  '/a/[]-]': { yes: ['/a/]', '/a/-'], no: ['/a/['] },
  '/a/[\\]x]': { yes: ['/a/]', '/a/x'], no: ['/a/\\'] },
  '/{a,b/c}/d': { yes: ['/a/d', '/b/c/d'], no: ['/b/d', '/c/d'] },
  '/a{,b{c,d}}': { yes: ['/a', '/abc', '/abd'], no: ['/ab'] },
  '{/a,b}/c': { yes: ['/a/c', '/b/c', '/x/b/c'], no: ['/x/a/c'] },
  '/a\\*': { yes: ['/a*'], no: ['/a', '/ab'] },
  '/a\\{b\\,c\\}': { yes: ['/a{b,c}'], no: ['/ab'] },
  '/a,b': { yes: ['/a,b'], no: ['/a', '/b'] },
  '/a//b': { yes: ['/a/b'], no: ['/ab'] },
  '/é*': { yes: ['/é', '/éa'], no: ['/e'] },
  '/a/*\n': { yes: ['/a/b\n'], no: ['/a/b'] },
  '/a***': { yes: ['/a', '/ab/c'], no: ['/b'] },
};

for (const [pattern, { yes, no }] of Object.entries(table)) {
  test(`${JSON.stringify(pattern)} matches what it says`, (t) => {
    const automata = compiled([pattern]);
    const bytes = (path: string): string => Buffer.from(path, 'utf8').toString('latin1');
    for (const path of yes) t.deepEqual(found(automata, bytes(path)).paths, [0], path);
    for (const path of no) t.deepEqual(found(automata, bytes(path)).paths, [], path);
  });
}

test('a pattern that ends in a slash covers directories, the root too, and no others', (t) => {
  const automata = compiled(['/a/', '/*/', '/', '/**/', '/a/**/']);
  t.deepEqual(found(automata, '/a'), { paths: [], directories: [0, 1, 3] });
  t.deepEqual(found(automata, '/a/b'), { paths: [], directories: [3, 4] });
  t.deepEqual(found(automata, '/'), { paths: [], directories: [2] });
});

test('no pattern of two stars covers the directory that it stands in', (t) => {
  t.deepEqual(found(compiled(['/a/**', '/a/*', '/**', '/*']), '/a'), { paths: [2, 3], directories: [] });
  t.deepEqual(found(compiled(['/**', '/*']), '/'), { paths: [], directories: [] });
});

const problems: readonly (readonly [string, RegExp])[] = [
  ['/a/{b,c', /brace is not closed/],
  ['/a/b}', /closed that was not opened/],
  ['/a/[b', /class is not closed/],
  ['/a/[/]', /matches nothing/],
  ['/a/[z-a]', /ends before it begins/],
  ['/a/[é]', /single bytes/],
  ['/a\\', /ends in a/],
  [`/${'{a,b}'.repeat(9)}`, /more than 256/],
  [`/${'x'.repeat(3000)}{a,b,c}{d,e,f,g}`, /more than 32768 characters/],
  [`/${'{a,'.repeat(17)}${'}'.repeat(17)}`, /nested more than 16/],
];
for (const [pattern, message] of problems) {
  test(`what is wrong with ${pattern.slice(0, 30)} is told where it stands`, (t) => {
    const parsed = parseGlob(pattern);
    t.regex('problem' in parsed ? parsed.problem : '', message);
    const { policy, issues } = parsePolicy({ text: policyText(pattern), file: 'p.yaml', firstLine: 1 });
    t.is(policy, undefined);
    t.like(issues[0], { severity: 'error', line: 7, field: 'spec.file.matchPatterns[0].pattern' });
  });
}

function policyText(pattern: string): string {
  return `apiVersion: security.kubearmor.com/v1
kind: KubeArmorPolicy
metadata: { name: p }
spec:
  file:
    matchPatterns:
      - pattern: ${JSON.stringify(pattern)}
`;
}

test('a pattern that would take too many states is refused by name', (t) => {
  const { policy, issues } = parsePolicy({ text: policyText('/**/*a??????????????'), file: 'p.yaml', firstLine: 1 });
  t.is(policy, undefined);
  t.regex(issues[0]?.message ?? '', /"\/\*\*\/\*a\?+" matches takes more than 4096 states/);
});

test('patterns that together take too long to compile are refused at the rule that is too many', (t) => {
  const patterns = Array.from({ length: 200 }, (_, place) => `/**/*[a${place % 10}]??????????/${place}`);
  const lines = patterns.map((one) => `      - pattern: ${JSON.stringify(one)}\n`).join('');
  const text = policyText('/a').replace(/      - .*\n/, lines);
  const { policy, issues } = parsePolicy({ text, file: 'p.yaml', firstLine: 1 });
  t.is(policy, undefined);
  t.regex(issues[0]?.message ?? '', /take too long to compile/);
});

test('what an automaton costs is bounded in time, too', (t) => {
  const globs = globsOf(['/**/ab*', '/**/*b/c']);
  t.not(buildGlobAutomaton(globs, globLimits).automaton, undefined);
  t.is(buildGlobAutomaton(globs, { ...globLimits, steps: 100 }).automaton, undefined);
});

test('states are made one where nothing tells them apart', (t) => {
  const [automaton] = compiled(['/a/{b,c}/x', '/a/[bc]/x']);
  const [once] = compiled(['/a/[bc]/x']);
  t.is(
    (automaton?.next.length ?? 0) / (automaton?.classCount ?? 1),
    (once?.next.length ?? 0) / (once?.classCount ?? 1),
  );
});

test('patterns that end in two stars do not multiply', (t) => {
  const patterns = Array.from({ length: 60 }, (_, place) => `**/name-${place}/**`);
  t.is(compiled(patterns).length, 1);
});

test('a set that would explode is cut, and no automaton passes a limit', (t) => {
  const patterns = Array.from({ length: 14 }, (_, place) => `/**/x${place}/**/y${place}`);
  const limits = { ...globLimits, states: 300, tableBytes: 64 * 1024 };
  t.is(buildGlobAutomaton(globsOf(patterns), limits).automaton, undefined);
  const automata = compiled(patterns, limits);
  t.true(automata.length > 1);
  for (const { next, classCount } of automata) t.true(next.length / classCount <= limits.states);
});

const piece = fc.constantFrom('a', 'b', '/', '/', '*', '**', '?', '[ab]', '[^a]', '{a,b/}', '{,a}', '\\*');
const pattern = fc
  .tuple(fc.constantFrom('/', ''), fc.array(piece, { minLength: 1, maxLength: 6 }))
  .map(([start, pieces]) => (start + pieces.join('')).replace(/\/{2,}/g, '/'))
  // A pattern that has empty components only after its braces are written out is another one to the regular expression.
  .filter((one) => one !== '' && !/\/\{[^}]*,\/|\/\}\/|\{,a\}/.test(one));
const path = fc
  .array(fc.array(fc.constantFrom('a', 'b', '*', '\n', 'é'), { minLength: 1, maxLength: 3 }), {
    minLength: 1,
    maxLength: 4,
  })
  .map((parts) => Buffer.from(`/${parts.map((part) => part.join('')).join('/')}`, 'utf8').toString('latin1'));

test('automata find what regular expressions find, together and cut', (t) => {
  fc.assert(
    fc.property(
      fc.array(pattern, { minLength: 1, maxLength: 5 }),
      fc.array(path, { maxLength: 6 }),
      (patterns, paths) => {
        const slow = patterns.map(slowGlobs);
        const expected = (matches: typeof matchesPath, one: string): number[] =>
          slow.flatMap((globs, value) => (globs.some((glob) => matches(glob, one)) ? [value] : []));
        const together = compiled(patterns);
        const cut = compiled(patterns, { ...globLimits, states: 40, tableBytes: 8_000 });
        for (const one of [...paths, '/']) {
          const like = { paths: expected(matchesPath, one), directories: expected(matchesDirectory, one) };
          t.deepEqual(found(together, one), like, `${patterns.join(' ')} over ${one}`);
          t.deepEqual(found(cut, one), like, `${patterns.join(' ')} over ${one}, cut`);
        }
      },
    ),
    { numRuns: 1_000 },
  );
});
