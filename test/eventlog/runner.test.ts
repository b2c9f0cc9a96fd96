import { Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { EventLogError } from '../../eventlog/errors.ts';
import type { AssignedPartition, OffsetRange } from '../../eventlog/event-log.ts';
import { MemoryEventLog } from '../../eventlog/memory.ts';
import { runStages } from '../../eventlog/runner.ts';
import type { ProcessorStage, SinkStage, SourceStage } from '../../eventlog/stage.ts';
import { PalisadeError } from '../../runtime/errors.ts';
import { createLogger } from '../../runtime/logger.ts';
import { Metrics } from '../../runtime/metrics.ts';
import { sumOf } from '../runtime/sum-of.ts';
import { eventually, patienceMs } from '../support/eventually.ts';
import { AroundLog, partitionWith, withBatches } from './around-log.ts';
import {
  event,
  garbage,
  garbagePolicy,
  judge,
  policy,
  quietly,
  recordsOf,
  tagger,
  textOf,
  textsOf,
  unprepared,
} from './toy.ts';

/** A sink that keeps what it was given, and first does what `before` says. */
function keeping(
  before: (attempt: number) => void = () => undefined,
): SinkStage & { readonly kept: string[]; readonly ranges: OffsetRange[] } {
  const kept: string[] = [];
  const ranges: OffsetRange[] = [];
  return {
    name: 'keeping',
    input: 'workloads',
    kept,
    ranges,
    prepare: unprepared((records, range) => {
      ranges.push(range);
      before(ranges.length);
      kept.push(...records.map(textOf));
      return Promise.resolve();
    }),
  };
}

/** A log in which a group finds room only the third time. */
class FullAtFirst extends AroundLog {
  #failures = 2;

  override async consume(...parameters: Parameters<AroundLog['consume']>): Promise<void> {
    if (this.#failures-- > 0) throw new EventLogError('EVENT_LOG_FAILED', 'disk full', { retriable: true });
    await super.consume(...parameters);
  }
}

test('events flow from source to sink while it runs', async (t) => {
  await using log = new MemoryEventLog();
  const stop = new AbortController();
  const sink = keeping();
  const source: SourceStage = {
    name: 'source',
    outputs: ['coverage'],
    run: async (target) => {
      for (const text of ['x', 'y', 'z']) await target.append([event('a', text)]);
    },
  };
  const running = runStages([source, tagger, sink], log, quietly(), stop.signal);
  while (sink.kept.length < 3) await delay(2);
  stop.abort();
  await running;
  t.deepEqual(sink.kept, ['1 x []', '2 y []', '3 z []']);
});

test('at the end the sources stop first, and what they still append is processed and written', async (t) => {
  await using log = new MemoryEventLog();
  const stop = new AbortController();
  const sink = keeping();
  const source: SourceStage = {
    name: 'source',
    outputs: ['coverage'],
    run: async (target, signal) => {
      while (!signal.aborted) await delay(1);
      for (let place = 0; place < 50; place++) await target.append([event('a', 'last words')]);
    },
  };
  const running = runStages([source, tagger, sink], log, quietly(), stop.signal);
  await delay(20);
  stop.abort();
  await running;
  t.is(sink.kept.length, 50);
});

test('one stage after another is drained, so that nothing is left between them', async (t) => {
  await using log = new MemoryEventLog();
  await log.append([event('a', 'x'), policy('p', 'y'), event('a', 'z')]);
  await runStages([tagger, judge], log, quietly(), AbortSignal.abort());
  t.deepEqual(await textsOf(log, ['dead-letters']), ['1 x [] judged by []', '2 z [p=y] judged by [p=y]']);
});

test('draining ends in bounded time, and what was left comes at the next start, as it was', async (t) => {
  await using log = new MemoryEventLog();
  await log.append([event('a', 'x'), event('a', 'y')]);
  const hanging: SinkStage = {
    name: 'keeping',
    input: 'workloads',
    prepare: unprepared(
      (_records, _range, signal) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => {
            reject(new PalisadeError('SINK_REFUSED', 'given up', { retriable: true }));
          });
        }),
    ),
  };
  // That this comes back at all is what the title says.
  t.false(await runStages([tagger, hanging], log, { ...quietly(), drainMs: 50 }, AbortSignal.abort()));
  await log.append([event('a', 'z')]);
  const sink = keeping();
  t.true(await runStages([tagger, sink], log, { ...quietly(), drainMs: patienceMs }, AbortSignal.abort()));
  t.deepEqual(
    sink.ranges.map(({ first, last }) => [first, last]),
    [
      [0, 1],
      [2, 2],
    ],
  );
  t.deepEqual(sink.kept, ['1 x []', '2 y []', '3 z []']);
});

/** A log whose groups read one record in a batch. */
class OneByOne extends AroundLog {
  override consume(...[options, own]: Parameters<AroundLog['consume']>): Promise<void> {
    return super.consume({ ...options, batchBytes: 1 }, own);
  }
}

test('the next batch is prepared while one is written, and written down when that one is committed', async (t) => {
  await using log = new MemoryEventLog();
  await log.append(['x', 'y', 'z'].map((text) => event('a', text)));
  await runStages([tagger], log, quietly(), AbortSignal.abort());
  const steps: string[] = [];
  const noting = (partition: AssignedPartition): AssignedPartition =>
    withBatches(partition, (batch) => {
      const { offset } = batch.records[0] ?? { offset: -1 };
      return {
        ...batch,
        intend: () => {
          steps.push(`${offset} intended`);
          return batch.intend();
        },
        commit: async (outputs) => {
          await batch.commit(outputs);
          steps.push(`${offset} committed`);
        },
      };
    });
  let prepared = 0;
  const sink: SinkStage = {
    name: 'keeping',
    input: 'workloads',
    prepare: ([record]) => {
      steps.push(`${record?.offset} prepared`);
      prepared += 1;
      return Promise.resolve(async ({ first }) => {
        // Ends when the next one is prepared, where there is one.
        await eventually('the next is prepared', () => (prepared > Math.min(first + 1, 2) ? true : undefined));
        steps.push(`${first} written`);
      });
    },
  };
  await runStages([sink], new AroundLog(new OneByOne(log), noting), quietly(), AbortSignal.abort());
  t.deepEqual(steps, [
    ...['0 prepared', '0 intended', '1 prepared', '0 written', '0 committed'],
    ...['1 intended', '2 prepared', '1 written', '1 committed'],
    ...['2 intended', '2 written', '2 committed'],
  ]);
});

test('what was read before the log cannot be read on is written and committed', async (t) => {
  await using log = new MemoryEventLog();
  await log.append([event('a', 'x'), event('a', 'y')]);
  await runStages([tagger], log, quietly(), AbortSignal.abort());
  const damaged = (partition: AssignedPartition): AssignedPartition =>
    partitionWith(partition, {
      async *batches() {
        for await (const batch of partition.batches()) {
          yield batch;
          throw new EventLogError('EVENT_LOG_DAMAGED', 'no further');
        }
      },
    });
  const sink = keeping();
  const running = runStages([sink], new AroundLog(new OneByOne(log), damaged), quietly(), AbortSignal.abort());
  await t.throwsAsync(running, { code: 'EVENT_LOG_DAMAGED' });
  await runStages([sink], log, quietly(), AbortSignal.abort());
  t.deepEqual(
    sink.ranges.map(({ first, last }) => [first, last]),
    [
      [0, 0],
      [1, 1],
    ],
  );
});

test('a stage that does not heed the end is left behind', async (t) => {
  await using log = new MemoryEventLog();
  const deaf: SourceStage = { name: 'deaf', outputs: [], run: () => new Promise(() => undefined) };
  await runStages([deaf], log, { ...quietly(), drainMs: 20 }, AbortSignal.abort());
  t.pass();
});

test('a write that is refused for now is tried again, with the same range, until it succeeds', async (t) => {
  await using log = new MemoryEventLog();
  await log.append([event('a', 'x')]);
  const metrics = new Metrics();
  const sink = keeping((attempt) => {
    if (attempt < 4) throw new PalisadeError('SINK_REFUSED', 'not now', { retriable: true });
  });
  await runStages([tagger, sink], log, quietly(metrics), AbortSignal.abort());
  t.deepEqual(sink.kept, ['1 x []']);
  t.is(sink.ranges.length, 4);
  t.is(new Set(sink.ranges.map(({ first, last }) => `${first} ${last}`)).size, 1);
  t.is(sumOf(metrics, 'palisade_errors_total', { stage: 'keeping', code: 'SINK_REFUSED' }), 3);
});

test('records that a destination will never take go to dead letters, and the stream goes on', async (t) => {
  await using log = new MemoryEventLog();
  const metrics = new Metrics();
  await log.append([event('a', 'x')]);
  const sink = keeping((attempt) => {
    if (attempt === 1) throw new PalisadeError('SINK_REFUSED', 'no such column');
  });
  await runStages([tagger, sink], log, quietly(metrics), AbortSignal.abort());
  await log.append([event('a', 'y')]);
  await runStages([tagger, sink], log, quietly(metrics), AbortSignal.abort());
  t.deepEqual(sink.kept, ['2 y []']);
  const [letter] = await recordsOf(log, ['dead-letters']);
  t.like(letter?.value, { topic: 'workloads', offset: 0, stage: 'keeping', reason: 'no such column' });
  t.is(sumOf(metrics, 'palisade_events_dropped_total', { reason: 'refused' }), 1);
});

test('a record that cannot be decoded becomes a dead letter beside the outputs of its neighbors', async (t) => {
  await using log = new MemoryEventLog();
  await log.append([event('a', 'x'), garbage('a'), event('a', 'y')]);
  const metrics = new Metrics();
  await runStages([tagger], log, quietly(metrics), AbortSignal.abort());
  t.deepEqual(await textsOf(log, ['workloads']), ['1 x []', '2 y []']);
  const letters = await recordsOf(log, ['dead-letters']);
  t.is(letters.length, 1);
  t.like(letters[0]?.value, { topic: 'coverage', partition: 0, offset: 1, key: 'a', stage: 'tagger' });
  t.is(letters[0]?.key, 'coverage');
  t.is(
    sumOf(metrics, 'palisade_events_dropped_total', { stage: 'tagger', topic: 'coverage', reason: 'unreadable' }),
    1,
  );
});

test('events of a node that are lost with a record are a gap in its coverage', async (t) => {
  await using log = new MemoryEventLog();
  const reader: ProcessorStage = { ...judge, name: 'reader', inputs: ['raw-events'], tables: [] };
  await log.append([{ topic: 'raw-events', key: 'node', encodedValue: new Uint8Array([0xff]) }]);
  await runStages([reader], log, quietly(), AbortSignal.abort());
  const [record] = await recordsOf(log, ['coverage']);
  t.is(record?.key, 'node');
  t.like(record?.value, { nodeId: 'node', gaps: { 0: { reason: 'deadLetter', lost: null } } });
  t.is((await recordsOf(log, ['dead-letters'])).length, 1);
});

test('a table change that cannot be decoded is passed over, and its position counts', async (t) => {
  await using log = new MemoryEventLog();
  await log.append([policy('p', 'x'), garbagePolicy('p')]);
  await log.append([event('a', 'y')]);
  await runStages([tagger], log, quietly(), AbortSignal.abort());
  const [record] = await recordsOf(log, ['workloads']);
  t.deepEqual(record?.tablePositions, { policies: 2 });
  t.deepEqual(await textsOf(log, ['workloads']), ['1 y [p=x]']);
  t.is((await recordsOf(log, ['dead-letters'])).length, 1);
});

test('a table change that cannot be decoded is one dead letter, however often its readers start, and told each time', async (t) => {
  await using log = new MemoryEventLog();
  await log.append([garbagePolicy('p'), event('a', 'x')]);
  const metrics = new Metrics();
  for (let start = 0; start < 3; start++) await runStages([tagger], log, quietly(metrics), AbortSignal.abort());
  t.is((await recordsOf(log, ['dead-letters'])).length, 1);
  t.is(sumOf(metrics, 'palisade_errors_total', { stage: 'tagger', code: 'RECORD_UNREADABLE' }), 3);
});

test('a log that has no room at the start is tried again', async (t) => {
  await using log = new MemoryEventLog();
  await log.append([event('a', 'x')]);
  const metrics = new Metrics();
  await runStages([tagger], new FullAtFirst(log), quietly(metrics), AbortSignal.abort());
  t.deepEqual(await textsOf(log, ['workloads']), ['1 x []']);
  t.is(sumOf(metrics, 'palisade_errors_total', { stage: 'tagger', code: 'EVENT_LOG_FAILED' }), 2);
});

test('a sink is not given what cannot be decoded, and its range covers it', async (t) => {
  await using log = new MemoryEventLog();
  await log.append([
    { topic: 'workloads', key: 'a', encodedValue: new Uint8Array([0xff]) },
    { topic: 'workloads', key: 'b', value: undefined },
  ]);
  const sink = keeping();
  await runStages([sink], log, quietly(), AbortSignal.abort());
  t.deepEqual(sink.kept, ['']);
  t.deepEqual(sink.ranges, [{ topic: 'workloads', partition: 0, first: 0, last: 1 }]);
  t.like((await recordsOf(log, ['dead-letters']))[0]?.value, { stage: 'keeping', offset: 0 });
});

test('a processor that throws ends the run with its error, commits nothing, and lets the others drain', async (t) => {
  await using log = new MemoryEventLog();
  await log.append([event('a', 'x')]);
  const broken: ProcessorStage = {
    ...judge,
    name: 'broken',
    createProcessor: () => ({
      restore: () => undefined,
      update: () => undefined,
      process: () => {
        throw new Error('a mistake');
      },
    }),
  };
  const metrics = new Metrics();
  const sink = keeping();
  const running = runStages([tagger, broken, sink], log, quietly(metrics), new AbortController().signal);
  await t.throwsAsync(running, { message: 'a mistake' });
  t.deepEqual(sink.kept, ['1 x []']);
  t.is(sumOf(metrics, 'palisade_errors_total', { stage: 'broken', code: 'UNEXPECTED' }), 1);
  await runStages([judge], log, quietly(), AbortSignal.abort());
  t.is((await textsOf(log, ['dead-letters'])).length, 1);
});

test('a stage that ends with an operating error ends the run with it, and leaves it to the caller to say so', async (t) => {
  await using log = new MemoryEventLog();
  const lines: string[] = [];
  const destination = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(chunk.toString());
      done();
    },
  });
  const refusal = new PalisadeError('KERNEL_REFUSED', 'no such program');
  const source: SourceStage = { name: 'refused', outputs: ['raw-events'], run: () => Promise.reject(refusal) };
  const metrics = new Metrics();
  const options = { logger: createLogger({ level: 'warn', destination }), metrics };
  t.is(await t.throwsAsync(runStages([source], log, options, new AbortController().signal)), refusal);
  t.deepEqual(lines, []);
  t.is(sumOf(metrics, 'palisade_errors_total', { stage: 'refused', code: 'KERNEL_REFUSED' }), 1);
});

test('a commit that fails for now is tried again and publishes once', async (t) => {
  await using log = new MemoryEventLog();
  await log.append([event('a', 'x')]);
  let failures = 2;
  const failing = new AroundLog(log, (partition) =>
    withBatches(partition, (batch) => ({
      ...batch,
      commit: async (outputs) => {
        if (failures-- > 0) throw new EventLogError('EVENT_LOG_FAILED', 'disk full', { retriable: true });
        await batch.commit(outputs);
      },
    })),
  );
  await runStages([tagger], failing, quietly(), AbortSignal.abort());
  t.deepEqual(await textsOf(log, ['workloads']), ['1 x []']);
  t.is(failures, -1);
});

test('every stage has the same metrics, and they add up', async (t) => {
  await using log = new MemoryEventLog();
  await log.append([event('a', 'x'), garbage('a'), event('b', 'y')]);
  const metrics = new Metrics();
  await runStages([tagger, keeping()], log, quietly(metrics), AbortSignal.abort());
  t.is(sumOf(metrics, 'palisade_events_received_total', { stage: 'tagger', topic: 'coverage' }), 3);
  t.is(sumOf(metrics, 'palisade_events_dropped_total', { stage: 'tagger' }), 1);
  t.is(sumOf(metrics, 'palisade_events_sent_total', { stage: 'tagger', topic: 'workloads' }), 2);
  t.is(sumOf(metrics, 'palisade_events_sent_total', { stage: 'tagger', topic: 'dead-letters' }), 1);
  t.is(sumOf(metrics, 'palisade_events_received_total', { stage: 'keeping' }), 2);
  t.is(sumOf(metrics, 'palisade_events_sent_total', { stage: 'keeping' }), 2);
  for (const stage of ['tagger', 'keeping']) {
    t.is(sumOf(metrics, 'palisade_lag_records', { stage }), 0);
    t.is(sumOf(metrics, 'palisade_batch_seconds', { stage }), 1);
    t.is(sumOf(metrics, 'palisade_event_age_seconds', { stage }), 1);
  }
});

test('a record as large as the log takes has room in a dead letter', async (t) => {
  await using log = new MemoryEventLog();
  await log.append([{ topic: 'coverage', key: 'a', encodedValue: new Uint8Array((16 << 20) - 10).fill(0xff) }]);
  await runStages([tagger], log, quietly(), AbortSignal.abort());
  t.is((await recordsOf(log, ['dead-letters'])).length, 1);
});
