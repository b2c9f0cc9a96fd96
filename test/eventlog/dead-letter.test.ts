import test from 'ava';
import { deadLetters } from '../../eventlog/dead-letter.ts';
import type { TopicName } from '../../schemas/topics.ts';

const options = { stage: 'enricher-matcher', reason: 'its checksum', bytes: new Uint8Array() };

for (const [topic, key, node] of [
  ['raw-events', 'node-1', 'node-1'],
  ['alerts', 'node-1', 'node-1'],
  ['enricher-state', 'node-1/7', 'node-1'],
  ['policies', 'kind/namespace/name', undefined],
  ['coverage', 'node-1', undefined],
] as const satisfies readonly (readonly [TopicName, string, string | undefined])[]) {
  const gap = node === undefined ? 'no gap: what follows from it is told elsewhere' : `a gap of ${node}`;
  test(`an unreadable record of ${topic} is a dead letter and ${gap}`, (t) => {
    const place = { topic, partition: 0, offset: 3, key, timestampMs: 5, tablePositions: {}, value: undefined };
    const [letter, coverage, ...more] = deadLetters(place, options);
    t.like(letter, { topic: 'dead-letters', value: { topic, offset: 3, key, reason: 'its checksum' } });
    t.deepEqual(more, []);
    if (node === undefined) t.is(coverage, undefined);
    else t.like(coverage, { topic: 'coverage', key: node, value: { nodeId: node, wallClockOffsetNs: 5_000_000n } });
  });
}
