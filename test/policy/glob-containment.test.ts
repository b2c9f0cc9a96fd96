import test from 'ava';
import fc from 'fast-check';
import { parseGlob } from '../../policy/glob.ts';
import type { Glob } from '../../policy/glob.ts';
import { globsLieWithin } from '../../policy/glob-containment.ts';
import { formsOfGlob } from '../../policy/glob-forms.ts';
import { patterns, universe } from './generators.ts';
import { matchesDirectory, matchesPath, slowGlobs } from './slow-globs.ts';

function globsOf(pattern: string): readonly Glob[] {
  const parsed = parseGlob(pattern);
  if ('problem' in parsed) throw new Error(parsed.problem);
  return parsed.globs;
}

const rows: readonly (readonly [string, string, boolean])[] = [
  ['/etc/*', '/etc/**', true],
  ['/etc/**', '/etc/*', false],
  ['/etc/shadow', '/etc/sh*', true],
  ['/**/id_rsa', '/**', true],
  ['/home/**', '/**/id_rsa', false],
  ['/a/{b,c}', '/a/[b-d]', true],
  ['/a/[b-d]', '/a/{b,c}', false],
  ['**/x', '/**/x', true],
  ['/**/x', '**/x', true],
  ['/a/**/x', '/a/**x', true],
  ['/a/**x', '/a/**/x', false],
  ['/a/*/', '/a/*', true],
  ['/a/*', '/a/*/', false],
  ['/a/?', '/a/*', true],
  ['/*a*', '/*', true],
];
for (const [inner, outer, expected] of rows) {
  test(`${inner} ${expected ? 'lies' : 'does not lie'} within ${outer}`, (t) => {
    t.is(globsLieWithin(globsOf(inner), globsOf(outer)).answer, expected);
  });
}

test('what takes more states than it may is not answered', (t) => {
  const inner = globsOf('/**/*a????????');
  t.is(globsLieWithin(inner, globsOf('/**/*a????????'), 50).answer, undefined);
  t.is(globsLieWithin(inner, globsOf('/**/*a????????')).answer, true);
});

test('every pair of patterns is decided as path by path', (t) => {
  const covered = patterns.map((pattern) => {
    const globs = slowGlobs(pattern);
    return Uint8Array.from(universe, (path) =>
      globs.some((glob) => matchesPath(glob, path)) ? 2 : globs.some((glob) => matchesDirectory(glob, path)) ? 1 : 0,
    );
  });
  for (const [place, inner] of patterns.entries()) {
    for (const [other, outer] of patterns.entries()) {
      const expected = covered[place]?.every((how, at) => how === 0 || how <= (covered[other]?.[at] ?? 0)) ?? false;
      t.is(globsLieWithin(globsOf(inner), globsOf(outer)).answer, expected, `${inner} within ${outer}`);
    }
  }
});

test('the forms of a pattern cover a path where the pattern covers one of its forms', (t) => {
  const links = [
    { from: '/bin', to: '/usr/bin' },
    { from: '/a', to: '/usr/b' },
  ];
  const formsOf = (path: string): readonly string[] => {
    const sides = links.flatMap(({ from, to }) => [
      [from, to],
      [to, from],
    ]);
    const others = sides.flatMap(([one = '', other = '']) =>
      path === one || path.startsWith(`${one}/`) ? [other + path.slice(one.length)] : [],
    );
    return [path, ...others];
  };
  fc.assert(
    fc.property(fc.constantFrom(...patterns), fc.constantFrom(...universe), (pattern, path) => {
      const literal = (text: string): Glob =>
        Array.from(Buffer.from(text), (byte) => ({ kind: 'byte', bytes: [byte] }));
      const forms = globsOf(pattern).flatMap((glob) => formsOfGlob(glob, links));
      const slow = slowGlobs(pattern);
      const expected = formsOf(path).some((form) => slow.some((glob) => matchesPath(glob, form)));
      if (path !== '/') t.is(globsLieWithin([literal(path)], forms).answer, expected, `${pattern} ${path}`);
    }),
    { numRuns: 2_000 },
  );
});
