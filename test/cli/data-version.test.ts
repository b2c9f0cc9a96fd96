import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import test from 'ava';
import { dataLayout, makeDataDirectory } from '../../cli/data-directory.ts';
import { PalisadeHome } from '../support/palisade-process.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

test('a data directory says which version made it, and is used again by that one', async (t) => {
  const layout = dataLayout(temporaryDirectory(t));
  await makeDataDirectory(layout);
  await makeDataDirectory(layout);
  t.like(JSON.parse(readFileSync(layout.version, 'utf8')), { layout: 1 });
  t.is(statSync(layout.version).mode & 0o777, 0o600);
});

for (const [what, content] of [
  ['is empty, as a machine that stopped may leave it', ''],
  ['says something else', '{"layout":"new"}'],
  ['names an older release', '{"layout":1,"palisade":"0.0.9"}'],
] as const) {
  test(`where the version ${what}, it is written anew`, async (t) => {
    const layout = dataLayout(temporaryDirectory(t));
    writeFileSync(layout.version, content);
    await makeDataDirectory(layout);
    t.like(JSON.parse(readFileSync(layout.version, 'utf8')), { layout: 1 });
  });
}

test('a data directory of a newer version is refused at once with both versions and the remedy, and nothing is changed', async (t) => {
  await using home = new PalisadeHome();
  const layout = dataLayout(home.dataDirectory);
  writeFileSync(layout.version, '{"layout":2,"palisade":"7.0.0"}');
  const { mode } = statSync(layout.root);
  for (const command of [['up'], ['sql', 'SELECT 1']]) {
    const { code, output, errors } = await home.run(command);
    t.is(code, 1);
    t.is(output, '');
    t.regex(
      errors,
      /^palisade: the data directory \S+ was written by Palisade 7\.0\.0, with layout 2; this is Palisade [\d.]+, which knows layouts up to 1: use the newer version, or give another --data-directory\. Nothing was changed \[DATA_TOO_NEW\]\n$/u,
    );
  }
  t.deepEqual(readdirSync(layout.root), ['version.json']);
  t.is(statSync(layout.root).mode, mode);
});
