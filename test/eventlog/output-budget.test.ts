import test from 'ava';
import type { OutputRecord } from '../../eventlog/event-log.ts';
import { maxOutputBytes, withinBudget } from '../../eventlog/output-budget.ts';
import type { TopicName } from '../../schemas/topics.ts';
import { event } from './toy.ts';

const kept = new Set<TopicName>(['policy-status', 'coverage']);

function bytes(topic: 'alerts' | 'coverage' | 'policy-status', length: number): OutputRecord {
  return { topic, key: 'a', encodedValue: new Uint8Array(length) } as OutputRecord;
}

function topicsOf(outputs: readonly OutputRecord[]): readonly string[] {
  return outputs.map(({ topic }) => topic);
}

test('outputs that have room come as they are, their values encoded', (t) => {
  const tombstone: OutputRecord = { topic: 'policies', key: 'p', value: undefined };
  const { outputs, refused } = withinBudget([event('a', 'x'), bytes('alerts', 7), tombstone], kept);
  t.is(refused, undefined);
  t.true(outputs[0] !== undefined && 'encodedValue' in outputs[0]);
  t.deepEqual(outputs.slice(1), [bytes('alerts', 7), tombstone]);
});

test('of an input that gives more, what is kept in any case stays, and no more is asked for', (t) => {
  let asked = 0;
  function* endless(): Iterable<OutputRecord> {
    yield bytes('policy-status', 3);
    yield bytes('coverage', maxOutputBytes + 1);
    for (;;) {
      asked += 1;
      yield bytes('alerts', 1 << 20);
    }
  }
  const { outputs, refused } = withinBudget(endless(), kept);
  t.deepEqual(topicsOf(outputs), ['policy-status', 'coverage']);
  t.regex(refused ?? '', /more than the 16776192 bytes/);
  t.is(asked, 16);
});

for (const [title, lengths, fits] of [
  ['one output of the last byte there is room for', [maxOutputBytes - 1], true],
  ['one output of a byte more', [maxOutputBytes], false],
  ['two that together have room', [maxOutputBytes - 9, 7], true],
  ['two that together have not', [maxOutputBytes - 9, 8], false],
] as const) {
  test(`${title} ${fits ? 'is given' : 'is refused'}`, (t) => {
    const { outputs, refused } = withinBudget(
      lengths.map((length) => bytes('alerts', length)),
      kept,
    );
    t.is(refused === undefined, fits);
    t.is(outputs.length, fits ? lengths.length : 0);
  });
}

test('a value that does not fit its topic is a mistake, and named', (t) => {
  const wrong = { topic: 'alerts', key: 'a', value: { id: 1 } } as unknown as OutputRecord;
  t.throws(() => withinBudget([wrong], kept), { instanceOf: TypeError, message: /for alerts does not fit its schema/ });
});
