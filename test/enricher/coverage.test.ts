import fc from 'fast-check';
import test from 'ava';
import { enricherStage } from '../../enricher/enricher.ts';
import { SequenceWindow, sequenceWindow } from '../../enricher/sequence-window.ts';
import type { Coverage, RawEventBatch } from '../../schemas/generated.ts';
import { TestNode } from '../support/raw-batch.ts';
import { logRecord, valuesOf } from '../support/run-processor.ts';

function coverageOf(batches: readonly RawEventBatch[]): Coverage[] {
  const processor = enricherStage().createProcessor(0);
  return batches.flatMap((batch) =>
    valuesOf('coverage', [...processor.process(logRecord('raw-events', batch.nodeId, batch))]),
  );
}

test('at the end of a session the figures balance: seen = filtered + dropped + submitted, submitted = received', (t) => {
  const node = new TestNode();
  const process = node.process();
  node.open(process, '/1');
  node.drop('open');
  node.filter('exec');
  const first = node.batch();
  node.open(process, '/2', { cpu: 3 });
  const [coverage] = coverageOf([first, node.batch({ sessionEnded: true })]);
  t.deepEqual(
    coverage?.operations.map((counts) => ({ ...counts })),
    [
      { operation: 'exec', seen: 1, filtered: 1, collapsed: 0, submitted: 0, dropped: 0, received: 0 },
      { operation: 'open', seen: 3, filtered: 0, collapsed: 0, submitted: 2, dropped: 1, received: 2 },
    ],
  );
  t.deepEqual(
    coverage?.cpus.map((cpu) => ({ ...cpu })),
    [
      // The number that was dropped came last on its CPU: nobody can see that it is missing, the counters tell.
      { cpu: 0, highestSequence: 1, received: 1, repeated: 0, missing: 0 },
      { cpu: 3, highestSequence: 1, received: 1, repeated: 0, missing: 0 },
    ],
  );
  t.deepEqual(
    coverage?.gaps.map(({ reason, lost }) => ({ reason, lost })),
    [{ reason: 'ringFull', lost: 1 }],
  );
  t.true(coverage?.sessionEnded);
});

test('a row that the kernel submitted and that never came is a gap at the end of the session, and not before', (t) => {
  const node = new TestNode();
  const process = node.process();
  node.open(process, '/1');
  node.open(process, '/2');
  node.open(process, '/3');
  const whole = node.batch({ counters: true });
  const holed = { ...whole, events: whole.events.filter(({ sequence }) => sequence !== 2) };
  const [running, ended] = coverageOf([holed, node.batch({ sessionEnded: true })]);
  t.deepEqual(running?.gaps, []);
  t.is(running?.cpus[0]?.missing, 1);
  t.is(ended?.gaps[0]?.reason, 'ringLost');
  t.is(ended?.gaps[0]?.lost, 1);
  t.regex(ended?.gaps[0]?.detail ?? '', /open 1$/);
});

test('events for which there was no room and runs that the kernel skipped are gaps of their own, when they grow', (t) => {
  const node = new TestNode();
  node.drop('open');
  node.drop('open', 2);
  node.drop('unknown');
  const spans = coverageOf([node.batch({ counters: true }), node.batch({ counters: true })]);
  t.deepEqual(
    spans.map(({ gaps }) => gaps.map(({ reason, lost }) => [reason, lost])),
    [
      [
        ['ringFull', 2],
        ['recursion', 1],
      ],
      [],
    ],
  );
});

test('what the collector has said of drops is not said again', (t) => {
  const node = new TestNode();
  node.drop('unknown');
  const gap = { reason: 'recursion', fromTimeNs: 1n, toTimeNs: 2n, lost: 1, detail: 'by the collector' } as const;
  const [coverage] = coverageOf([node.batch({ counters: true, gaps: [gap] })]);
  t.deepEqual(
    coverage?.gaps.map(({ detail }) => detail),
    ['by the collector'],
  );
});

test('a batch that never came is a gap over the time between its neighbours', (t) => {
  const node = new TestNode();
  const process = node.process();
  node.open(process, '/1');
  const first = node.batch();
  node.open(process, '/2');
  node.batch();
  node.open(process, '/3');
  const third = node.batch();
  const [coverage] = coverageOf([first, third]);
  t.regex(coverage?.gaps[0]?.detail ?? '', /batches 2 to 2 never came/);
  t.is(coverage?.gaps[0]?.fromTimeNs, first.baseTimeNs);
  t.is(coverage?.gaps[0]?.toTimeNs, third.baseTimeNs);
});

test('a batch number that is left out is no gap where all rows came', (t) => {
  const node = new TestNode();
  const process = node.process();
  node.open(process, '/1');
  const first = node.batch();
  node.open(process, '/2');
  // Killed when the number was taken and before the append: the rows come under the next number.
  const second = { ...node.batch(), batch: 3 };
  t.deepEqual(coverageOf([first, second]), []);
});

test('what /proc told is counted too, and a successor that does not know how much it was loses nothing of it', (t) => {
  const node = new TestNode();
  const process = node.process();
  node.existing(process);
  node.existing(node.process());
  node.open(process, '/1');
  const first = node.batch({ counters: true });
  const last = node.batch({ sessionEnded: true });
  const kernels = last.counters.filter(({ operation }) => operation !== 'existing');
  const [running, ended] = coverageOf([first, { ...last, counters: kernels }]);
  for (const coverage of [running, ended]) {
    t.deepEqual(coverage?.gaps, []);
    t.like(
      coverage?.operations.find(({ operation }) => operation === 'existing'),
      { submitted: 2, received: 2 },
    );
  }
  t.like(ended?.cpus[0], { cpu: -1, highestSequence: 2, received: 2, missing: 0 });
});

test('what the collector could not read is not lost a second time at the end', (t) => {
  const node = new TestNode();
  const process = node.process();
  node.open(process, '/1');
  node.open(process, '/2');
  const whole = node.batch();
  const gap = { reason: 'unknown', fromTimeNs: 1n, toTimeNs: 2n, lost: 1, detail: 'unreadable' } as const;
  const holed = { ...whole, events: whole.events.slice(1), gaps: [gap] };
  const [running, ended] = coverageOf([holed, node.batch({ sessionEnded: true })]);
  t.is(running?.gaps.length, 1);
  t.deepEqual(ended?.gaps, []);
});

test('spans of one session follow each other without a hole', (t) => {
  const node = new TestNode();
  const process = node.process();
  const batches = Array.from({ length: 6 }, (_, index) => {
    node.open(process, '/x');
    return node.batch({ counters: index % 2 === 1 });
  });
  const spans = coverageOf(batches);
  t.is(spans[0]?.fromTimeNs, node.session);
  t.deepEqual(
    spans.map(({ firstBatch, lastBatch }) => [firstBatch, lastBatch]),
    [
      [1, 2],
      [3, 4],
      [5, 6],
    ],
  );
  t.deepEqual(
    spans.slice(1).map(({ fromTimeNs }) => fromTimeNs),
    spans.slice(0, -1).map(({ toTimeNs }) => toTimeNs),
  );
});

test('a window tells each number apart from its repeat, in any order within its width', (t) => {
  const property = fc.property(
    fc.array(fc.integer({ min: 1, max: sequenceWindow }), { maxLength: 200 }),
    fc.nat(200),
    (numbers, restartAt) => {
      let window = new SequenceWindow(0);
      const seen = new Set<number>();
      for (const [index, number] of numbers.entries()) {
        if (index === restartAt) {
          const restored = new SequenceWindow(0);
          Object.assign(restored, { highest: window.highest, received: window.received, repeated: window.repeated });
          restored.restoreWindow(window.windowBytes());
          window = restored;
        }
        if (window.accept(number) === seen.has(number)) return false;
        seen.add(number);
      }
      return window.received === seen.size && window.repeated === numbers.length - seen.size;
    },
  );
  t.notThrows(() => {
    fc.assert(property);
  });
});

test('a number further behind than the window is wide counts as a repeat', (t) => {
  const window = new SequenceWindow(0);
  t.true(window.accept(1));
  t.true(window.accept(sequenceWindow + 2));
  t.false(window.accept(2));
  t.true(window.accept(3));
  t.is(window.highest - window.received, sequenceWindow + 2 - 3);
});

test('what the kernel could not read is told by place and errno', (t) => {
  const node = new TestNode();
  node.open(node.process(), '/1');
  const helperFailures = [{ place: 'path.bpf.h:60', errno: 14, count: 3 }];
  const [coverage] = coverageOf([{ ...node.batch({ counters: true }), helperFailures }]);
  t.deepEqual(
    coverage?.helperFailures.map((failure) => ({ ...failure })),
    helperFailures,
  );
});
