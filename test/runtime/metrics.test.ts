import test from 'ava';
import { Metrics } from '../../runtime/metrics.ts';

test('series of one metric are told apart by their labels, in whatever order these are named', (t) => {
  const metrics = new Metrics();
  const counter = metrics.counter('palisade_things_total');
  counter.add(1, { stage: 'a', topic: 'x' });
  counter.add(2, { topic: 'x', stage: 'a' });
  counter.add(5, { stage: 'b', topic: 'x' });
  metrics.gauge('palisade_level').set(3);
  metrics.gauge('palisade_level').set(2);
  t.deepEqual(metrics.snapshot(), [
    { kind: 'counter', name: 'palisade_things_total', labels: { stage: 'a', topic: 'x' }, value: 3 },
    { kind: 'counter', name: 'palisade_things_total', labels: { stage: 'b', topic: 'x' }, value: 5 },
    { kind: 'gauge', name: 'palisade_level', labels: {}, value: 2 },
  ]);
});

test('a histogram counts by upper bound, cumulatively, and what is above all bounds in the count alone', (t) => {
  const metrics = new Metrics();
  const histogram = metrics.histogram('palisade_batch_seconds', [1, 2, 5]);
  for (const value of [0.5, 1, 1.5, 4, 100]) histogram.observe(value);
  t.deepEqual(metrics.snapshot(), [
    {
      kind: 'histogram',
      name: 'palisade_batch_seconds',
      labels: {},
      count: 5,
      sum: 107,
      buckets: [
        { upTo: 1, count: 2 },
        { upTo: 2, count: 3 },
        { upTo: 5, count: 4 },
      ],
    },
  ]);
});

test('a label whose values grow without end is refused by name', (t) => {
  const counter = new Metrics().counter('palisade_things_total');
  t.throws(
    () => {
      for (let value = 0; value < 20_000; value++) counter.add(1, { path: String(value) });
    },
    { message: /palisade_things_total: a label's values grow/u },
  );
});
