import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import { packageRoot } from '../../cli/package-root.ts';
import { BrokenLaw } from './model/laws.ts';
import { omitted } from './model/omissions.ts';
import { live, story } from './model/runner-model.ts';
import { SteppedTime } from './model/stepped-time.ts';

/*
 * The runner under a scheduler that orders each of its steps: test/eventlog/model/runner-model.ts. A failure prints seed and
 * path, with which fast-check tells the same story again in the same order.
 */

const isLong = process.env['PALISADE_TEST_LONG'] === '1';
/** The same stories each time, so that what fails is what was changed; a long run looks for new ones. */
const seed = isLong ? Date.now() : 20_261_124;
const stories = isLong ? 50_000 : 1000;
/** Within so many stories each omission shows; all of them did within a hundred when this was written. */
const storiesForAnOmission = 1000;
/** A thousand stories take ten seconds on an idle machine: this only ends what hangs. Milliseconds. */
const limitMs = isLong ? 7_200_000 : 1_200_000;

// One after another: the clock that is stopped is that of the whole thread.
test.serial('whatever happens to the runner, and when, its laws hold', async (t) => {
  t.timeout(limitMs);
  using time = new SteppedTime();
  const property = fc.asyncProperty(story, fc.scheduler(), async (one, scheduler) => {
    const [broken] = await live(one, scheduler, { time });
    if (broken !== undefined) throw broken;
  });
  await fc.assert(property, { numRuns: stories, seed, includeErrorInReport: true });
  t.pass();
});

for (const { step, law, omission } of omitted) {
  test.serial(`a runner without this step breaks “${law}”: ${step}`, async (t) => {
    t.timeout(limitMs);
    using time = new SteppedTime();
    const property = fc.asyncProperty(story, fc.scheduler(), async (one, scheduler) => {
      const broken = await live(one, scheduler, { time, omission });
      const [expected] = broken.filter((each) => each.law === law);
      if (expected !== undefined) throw expected;
    });
    const found = await fc.check(property, { numRuns: storiesForAnOmission, seed });
    t.true(found.failed, `the law held in ${found.numRuns} stories`);
    if (!(found.errorInstance instanceof BrokenLaw)) throw found.errorInstance;
    t.log(`story ${found.numRuns}, told shortest: ${JSON.stringify(found.counterexample?.[0])}`);
  });
}

test('docs/runner-model.md has a row for each step that is left out, and no other', (t) => {
  const page = readFileSync(path.join(packageRoot(), 'docs/runner-model.md'), 'utf8');
  const rows = [...page.matchAll(/^\| (.*?) +\| (.*?) +\|/gmu)].slice(2).map(([, step, law]) => ({ step, law }));
  t.deepEqual(
    rows,
    omitted.map(({ step, law }) => ({ step, law })),
  );
});
