import test from 'ava';
import { isComplete, lossJson, lossText, momentText, stretchesWithin, type LossReport } from '../../cli/loss-report.ts';

const stretch = { nodeId: 'node-1', fromNs: 20n, toNs: 30n, reason: 'ringFull', lost: 7, detail: '' };

function report(options: Partial<LossReport> = {}): LossReport {
  return { fromNs: 0n, toNs: 100n, nodes: ['node-1'], unknown: [], isCut: false, ...options };
}

for (const [title, from, to, expected] of [
  ['a stretch inside is kept', 0n, 100n, [20n, 30n]],
  ['a longer one is cut to the span', 22n, 25n, [22n, 25n]],
  ['one that ends where the span begins is not in it', 30n, 40n, undefined],
  ['one that begins where the span ends is not in it', 10n, 20n, undefined],
] as const)
  test(title, (t) => {
    const [found] = stretchesWithin([stretch], from, to);
    t.deepEqual(found === undefined ? undefined : [found.fromNs, found.toNs], expected);
  });

test('a stretch of one moment counts wherever it is, also at the edge', (t) => {
  const moment = { ...stretch, fromNs: 20n, toNs: 20n };
  t.is(stretchesWithin([moment], 20n, 30n).length, 1);
  t.is(stretchesWithin([moment], 0n, 20n).length, 1);
  t.is(stretchesWithin([moment], 21n, 30n).length, 0);
});

test('complete is positive: without a node nothing is', (t) => {
  t.true(isComplete(report()));
  t.false(isComplete(report({ nodes: [] })));
  t.false(isComplete(report({ unknown: [stretch] })));
  t.regex(lossText(report({ nodes: [] })), /^unknown from .* because nothing was ever watched\n$/u);
});

test('people read one line a stretch, with the reason and what was lost', (t) => {
  t.is(
    lossText(report()),
    'complete from 1970-01-01T00:00:00.000000000Z to 1970-01-01T00:00:00.000000100Z on node-1\n',
  );
  t.is(
    lossText(report({ unknown: [stretch] })),
    "unknown from 1970-01-01T00:00:00.000000020Z to 1970-01-01T00:00:00.000000030Z on node-1, because the kernel's ring was full; 7 events lost\n",
  );
  t.regex(lossText(report({ unknown: [stretch], isCut: true })), /\nand more: ask for a shorter span\n$/u);
});

test('what a gap says can forge neither a line nor a terminal sequence, nor fill the screen', (t) => {
  const detail = `cut\ncomplete\u001b[2J\u202e${'x'.repeat(10_000)}`;
  const text = lossText(report({ unknown: [{ ...stretch, reason: 'new\u001breason', nodeId: 'n\n', detail }] }));
  t.is(text.split('\n').length, 2);
  t.notRegex(text, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/u);
  t.true(text.length < 600);
  const json = lossJson(report({ unknown: [{ ...stretch, detail: '\u009b\u202e' }] }));
  t.notRegex(json, /[\u007f-\u009f\u202a-\u202e]/u);
  const parsed = JSON.parse(lossJson(report({ unknown: [{ ...stretch, detail }] }))) as {
    unknown: { detail: string }[];
  };
  t.is(parsed.unknown[0]?.detail, detail);
});

test('moments have nanoseconds, and the ends of time are moments too', (t) => {
  t.is(momentText(1_765_863_439_127_331_001n), '2025-12-16T05:37:19.127331001Z');
  t.is(momentText(2n ** 63n - 1n), '2262-04-11T23:47:16.854775807Z');
  t.is(momentText(-1n), '1970-01-01T00:00:00.000000000Z');
});
