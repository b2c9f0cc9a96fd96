import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import { packageRoot } from '../../cli/package-root.ts';
import { BrokenKafkaLaw } from './kafka-model/kafka-laws.ts';
import { liveKafka } from './kafka-model/kafka-life.ts';
import { omittedKafkaSteps } from './kafka-model/kafka-omissions.ts';
import { kafkaStory } from './kafka-model/kafka-story.ts';
import { SteppedTime } from './model/stepped-time.ts';

/*
 * The log on Kafka, its consumer, its lock and the runner on it, over a model of the broker and under a scheduler that orders
 * each step: docs/kafka-protocol.md. A failure prints seed and path, with which fast-check tells the same story again.
 */

const isLong = process.env['PALISADE_TEST_LONG'] === '1';
/** The same stories each time, so that what fails is what was changed; a long run looks for new ones. */
const seed = isLong ? Date.now() : 20_261_124;
const stories = isLong ? 20_000 : 300;
/** Within so many stories each omission shows. */
const storiesForAnOmission = 1000;
/** This only ends what hangs. Milliseconds. */
const limitMs = isLong ? 7_200_000 : 1_200_000;

// One after another: the clock that is stopped is that of the whole thread.
test.serial(
  'whatever happens to the owners of a partition, outputs are those of one undisturbed instance',
  async (t) => {
    t.timeout(limitMs);
    using time = new SteppedTime();
    const property = fc.asyncProperty(kafkaStory, fc.scheduler(), async (story, scheduler) => {
      const [broken] = await liveKafka(story, scheduler, { time });
      if (broken !== undefined) throw broken;
    });
    await fc.assert(property, { numRuns: stories, seed, includeErrorInReport: true });
    t.pass();
  },
);

for (const { step, law, omission } of omittedKafkaSteps) {
  test.serial(`without this step of the protocol “${law}” does not hold: ${step}`, async (t) => {
    t.timeout(limitMs);
    using time = new SteppedTime();
    const property = fc.asyncProperty(kafkaStory, fc.scheduler(), async (story, scheduler) => {
      const broken = await liveKafka(story, scheduler, { time, omission });
      const expected = broken.find((each) => each.law === law);
      if (expected !== undefined) throw expected;
    });
    const found = await fc.check(property, { numRuns: storiesForAnOmission, seed });
    t.true(found.failed, `the law held in ${found.numRuns} stories`);
    if (!(found.errorInstance instanceof BrokenKafkaLaw)) throw found.errorInstance;
    t.log(`seed ${seed}, story ${found.numRuns}, told shortest: ${JSON.stringify(found.counterexample?.[0])}`);
  });
}

test('docs/kafka-protocol.md has a row for each step that is left out, and no other', (t) => {
  const page = readFileSync(path.join(packageRoot(), 'docs/kafka-protocol.md'), 'utf8');
  const rows = [...page.matchAll(/^\| (.*?) +\| (.*?) +\|/gmu)].slice(2).map(([, step, law]) => ({ step, law }));
  t.deepEqual(
    rows,
    omittedKafkaSteps.map(({ step, law }) => ({ step, law })),
  );
});
