import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { readRootLinks, resolveLink } from '../../collector/root-links.ts';

function makeRoot(t: ExecutionContext, make: (root: string) => void): string {
  const root = mkdtempSync('/tmp/palisade-root-');
  t.teardown(() => {
    rmSync(root, { recursive: true, force: true });
  });
  make(root);
  return root;
}

async function linksOf(root: string): Promise<Record<string, string> | undefined> {
  const links = await readRootLinks(root);
  if (links === undefined) return undefined;
  const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');
  return Object.fromEntries(links.map(({ path, target }) => [text(path), text(target)]));
}

test('links of a merged root, relative and absolute, lead to clean absolute paths within it', async (t) => {
  const root = makeRoot(t, (directory) => {
    mkdirSync(join(directory, 'usr/bin'), { recursive: true });
    mkdirSync(join(directory, 'var'));
    symlinkSync('usr/bin', join(directory, 'bin'));
    symlinkSync('/usr/./lib//', join(directory, 'lib'));
    symlinkSync('/run', join(directory, 'var/run'));
    symlinkSync('../run/lock', join(directory, 'var/lock'));
    symlinkSync('bin', join(directory, 'tools'));
    symlinkSync('../../../etc', join(directory, 'out'));
  });
  t.deepEqual(await linksOf(root), {
    '/bin': '/usr/bin',
    '/lib': '/usr/lib',
    '/out': '/etc',
    '/tools': '/usr/bin',
    '/var/lock': '/run/lock',
    '/var/run': '/run',
  });
});

test('a root without links has none, and one that is not there is not read', async (t) => {
  const root = makeRoot(t, (directory) => {
    mkdirSync(join(directory, 'bin'));
  });
  t.deepEqual(await linksOf(root), {});
  t.is(await linksOf('/nonexistent'), undefined);
});

test('a link in the place of /var is not followed out of the root', async (t) => {
  const outside = makeRoot(t, (root) => {
    symlinkSync('/secret', join(root, 'run'));
  });
  const root = makeRoot(t, (directory) => {
    symlinkSync(outside, join(directory, 'var'));
  });
  t.deepEqual(await linksOf(root), { '/var': outside });
});

test('links in a circle are left out', async (t) => {
  const root = makeRoot(t, (directory) => {
    symlinkSync('b', join(directory, 'a'));
    symlinkSync('a', join(directory, 'b'));
    symlinkSync('usr', join(directory, 'c'));
  });
  t.deepEqual(await linksOf(root), { '/c': '/usr' });
});

test('names and targets that are not UTF-8 come through as bytes', async (t) => {
  const root = makeRoot(t, (directory) => {
    symlinkSync(Buffer.from('\xff/\n', 'latin1'), Buffer.from(`${directory}/\xfe`, 'latin1'));
  });
  t.deepEqual(await linksOf(root), { '/\xfe': '/\xff/\n' });
});

test('whatever the links are, resolving ends, with a clean absolute path or none', (t) => {
  const target = fc
    .array(fc.constantFrom('a', 'b', 'c', '..', '.', ''), { maxLength: 6 })
    .map((parts) => parts.join('/'));
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom('/a', '/b', '/c'), target), (links) => {
      for (const path of Object.keys(links)) {
        const resolved = resolveLink(new Map(Object.entries(links)), path);
        if (resolved !== undefined) t.regex(resolved, /^\/$|^(\/[abc])+$/);
      }
    }),
  );
});
