import test from 'ava';
import { MemoryEventLog } from '../../eventlog/memory.ts';
import { runStages } from '../../eventlog/runner.ts';
import type { ProcessorStage, SinkStage } from '../../eventlog/stage.ts';
import { event, quietly, recordsOf, tagger, textOf } from './toy.ts';

/** Each alone is more than what a processor's batch is cut at, so that every record is a batch. */
const large = 'x'.repeat(2 << 20);
/** The same of a sink's batch. */
const larger = 'x'.repeat(9 << 20);

/** The tagger, which has a signal come while it is at the second record. */
function interrupted(stop: AbortController): ProcessorStage {
  return {
    ...tagger,
    createProcessor: (partition) => {
      const inner = tagger.createProcessor(partition);
      let count = 0;
      return {
        restore: (record) => {
          inner.restore(record);
        },
        update: (record) => {
          inner.update(record);
        },
        process: (record) => {
          count += 1;
          if (count === 2) stop.abort();
          return inner.process(record);
        },
      };
    },
  };
}

test('a processor that hands over commits the batch in hand, and its successor goes on after it', async (t) => {
  await using log = new MemoryEventLog();
  for (let place = 0; place < 8; place++) await log.append([event('a', large)]);
  const stop = new AbortController();
  t.true(await runStages([interrupted(stop)], log, { ...quietly(), handsOver: true }, stop.signal));
  const before = (await recordsOf(log, ['workloads'])).length;
  // The signal's way to the loop takes some turns, in which a log in memory commits another batch.
  t.true(before >= 2 && before < 8, `${before} of 8`);

  t.true(await runStages([tagger], log, quietly(), AbortSignal.abort()));
  const after = await recordsOf(log, ['workloads']);
  t.is(after.length, 8);
  t.deepEqual(
    after.map((record) => textOf(record).split(' ')[0]),
    ['1', '2', '3', '4', '5', '6', '7', '8'],
  );
});

test('a sink that hands over finishes the write in hand and begins no other', async (t) => {
  await using log = new MemoryEventLog();
  for (let place = 0; place < 4; place++) await log.append([event('a', larger)]);
  const written: number[] = [];
  const sinkWith = (onWrite: () => void): SinkStage => ({
    name: 'keeping',
    input: 'coverage',
    prepare: () =>
      Promise.resolve((range) => {
        written.push(range.first);
        onWrite();
        return Promise.resolve();
      }),
  });
  const stop = new AbortController();
  const handing = sinkWith(() => {
    stop.abort();
  });
  t.true(await runStages([handing], log, { ...quietly(), handsOver: true }, stop.signal));
  t.deepEqual(written, [0]);

  t.true(await runStages([sinkWith(() => undefined)], log, quietly(), AbortSignal.abort()));
  t.deepEqual(written, [0, 1, 2, 3]);
});
