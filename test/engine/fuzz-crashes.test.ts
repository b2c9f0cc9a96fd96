import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { crashFiles, crashFolder, targetOfCrash } from '../fuzz/crash-files.ts';
import { fuzzTargets } from '../fuzz/targets.ts';

for (const kind of fuzzTargets.filter(({ isGuided }) => !isGuided)) {
  test(`inputs that broke something once, and the first ones, break nothing: ${kind.name}`, async (t) => {
    await using target = await kind.open();
    for (const seed of target.seeds) await target.run(seed);
    for (const file of crashFiles(false).filter((name) => targetOfCrash(name) === kind.name)) {
      t.log(file);
      await target.run(readFileSync(path.join(crashFolder, file)));
    }
    t.pass();
  });
}
