import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { crashFiles, crashFolder, targetOfCrash } from './crash-files.ts';
import { fuzzTargets } from './targets.ts';

test('every crash file is of a target', (t) => {
  const files = readdirSync(crashFolder).filter((file) => file !== 'README.md');
  t.deepEqual(
    files.filter((file) => targetOfCrash(file) === undefined),
    [],
  );
  t.true(files.length > 0);
});

for (const file of crashFiles(true)) {
  test(`an input that broke something once breaks nothing: ${file}`, async (t) => {
    const kind = fuzzTargets.find(({ name }) => name === targetOfCrash(file));
    if (kind === undefined) return t.fail('no target');
    await using target = await kind.open();
    await target.run(readFileSync(path.join(crashFolder, file)));
    t.pass();
  });
}
