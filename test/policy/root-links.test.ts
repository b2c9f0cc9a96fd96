import test from 'ava';
import { canonicalPath, resolveRootLinks, usualRootLinks } from '../../policy/root-links.ts';

function resolve(...links: readonly string[]): readonly string[] {
  const given = links.map((link) => {
    const [path = '', target = ''] = link.split(' -> ');
    return { path: Buffer.from(path), target: Buffer.from(target) };
  });
  return resolveRootLinks(given).map(({ from, to }) => `${from} -> ${to}`);
}

test('links that are not known are taken to be the usual ones', (t) => {
  t.is(resolveRootLinks(null), usualRootLinks);
});

test('a chain of links is followed to its end', (t) => {
  t.deepEqual(resolve('/sbin -> /bin', '/bin -> /usr/bin'), ['/bin -> /usr/bin', '/sbin -> /usr/bin']);
});

test('links that lead in a circle, to themselves or to the root say nothing', (t) => {
  t.deepEqual(resolve('/a -> /b', '/b -> /a', '/c -> /c', '/d -> /d/e', '/e -> /', '/f -> '), []);
});

test('a link below another link is left out', (t) => {
  t.deepEqual(resolve('/var -> /data/var', '/var/run -> /run'), ['/var -> /data/var']);
});

test('a link into a directory that has a link of its own is left out', (t) => {
  t.deepEqual(resolve('/v -> /var', '/var/run -> /run'), ['/var/run -> /run']);
});

test('only whole components are replaced', (t) => {
  const links = [{ from: '/bin', to: '/usr/bin' }];
  t.is(canonicalPath('/bin/ls', links), '/usr/bin/ls');
  t.is(canonicalPath('/bin', links), '/usr/bin');
  t.is(canonicalPath('/binary', links), '/binary');
  t.is(canonicalPath('/opt/bin/ls', links), '/opt/bin/ls');
});
