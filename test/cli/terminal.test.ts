import test from 'ava';
import { Writable } from 'node:stream';
import { statusText, Terminal } from '../../cli/terminal.ts';

function collected(isTerminal: boolean, columns = 80): { readonly terminal: Terminal; readonly text: () => string } {
  let text = '';
  const output = new Writable({
    write(chunk: Buffer, _encoding, done) {
      text += chunk.toString();
      done();
    },
  });
  const terminal = new Terminal({ output, isTerminal, columns: () => columns, plainStatusEveryMs: 10_000 });
  return { terminal, text: () => text };
}

const figures = { eventsPerSecond: 1203.6, dropped: 0, alerts: 1, lagRecords: 12 };

test('the status line has figures for people', (t) => {
  t.is(statusText(figures), '1,204 events/s · 0 dropped · 1 alert · lag 12 records');
});

test('on a terminal what is printed goes above the status line', (t) => {
  const { terminal, text } = collected(true);
  terminal.showStatus(figures, 0);
  terminal.print('alert\n');
  t.true(text().endsWith(`\r\u001b[Kalert\n${statusText(figures)}`));
});

test('a status line never wraps, or it could not be redrawn', (t) => {
  const { terminal, text } = collected(true, 20);
  terminal.showStatus(figures, 0);
  t.is(text(), '\r\u001b[K1,204/s · 0 dropped');
});

test('where the status line does not fit, its words are left out before its figures are', (t) => {
  const { terminal, text } = collected(true, 45);
  terminal.showStatus(figures, 0);
  t.is(text(), '\r\u001b[K1,204/s · 0 dropped · 1 alert · lag 12');
});

test('on a plain output the status is a line now and then, without escapes', (t) => {
  const { terminal, text } = collected(false);
  for (const nowMs of [0, 1000, 9999, 10_000]) terminal.showStatus(figures, nowMs);
  terminal.print('alert\n');
  t.is(text(), `${statusText(figures)}\n${statusText(figures)}\nalert\n`);
});
