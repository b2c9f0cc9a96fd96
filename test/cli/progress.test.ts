import { Writable } from 'node:stream';
import test from 'ava';
import { Progress, progressText } from '../../cli/progress.ts';

interface Shown {
  readonly progress: Progress;
  readonly text: () => string;
  /** Lets time pass, in milliseconds. */
  readonly pass: (ms: number) => void;
}

function shown(isTerminal: boolean, columns = 200): Shown {
  let written = '';
  let nowMs = 1000;
  const output = new Writable({
    write(chunk: Buffer, _encoding, done) {
      written += chunk.toString();
      done();
    },
  });
  return {
    progress: new Progress({ output, isTerminal, columns: () => columns, nowMs: () => nowMs }),
    text: () => written,
    pass: (ms) => {
      nowMs += ms;
    },
  };
}

const half = { share: 0.5, events: 1_204_000, result: () => '12 alerts' };

test('progress is a line of figures', (t) => {
  t.is(
    progressText({ share: 0.4299, events: 1_204_000, eventsPerSecond: 250_000.4, result: '12 alerts' }),
    '42 % · 1,204,000 events · 250,000 events/s · 12 alerts',
  );
  t.is(
    progressText({ share: undefined, events: 5, eventsPerSecond: 1, result: '2 records' }),
    '5 events · 1 events/s · 2 records',
  );
});

test('on a terminal a bar is redrawn in place, not wider than it is, and gone before the last line', (t) => {
  const { progress, text, pass } = shown(true, 40);
  pass(120);
  progress.show(half);
  progress.show(half);
  t.regex(text(), /^\r\u001b\[K█{12}░{12} 50 % · 1,20[^\n]*$/u);
  t.is(text().length - '\r\u001b[K'.length, 39, 'shown once: it is not time for the next');
  progress.print('done\n');
  t.true(text().endsWith('\r\u001b[Kdone\n'));
});

test('elsewhere nothing is redrawn, and short work says nothing but its end', (t) => {
  const { progress, text, pass } = shown(false);
  pass(120);
  progress.show(half);
  progress.print('done\n');
  t.is(text(), 'done\n');
});
