import test from 'ava';
import { renderTable } from '../../cli/table.ts';

test('rows that fit are a table', (t) => {
  t.is(
    renderTable(
      [
        ['a', 'name'],
        [1, 'x'],
        [22, null],
      ],
      80,
    ),
    'a   name\n──  ────\n1   x\n22  NULL\n',
  );
});

test('rows that do not fit stand upright', (t) => {
  t.is(
    renderTable(
      [
        ['a', 'b'],
        ['1', 'x'.repeat(61)],
      ],
      200,
    ),
    `── row 1 ──\na  1\nb  ${'x'.repeat(61)}\n`,
  );
  t.is(
    renderTable(
      [
        ['a', 'b'],
        ['123456', '1234'],
      ],
      8,
    ).split('\n')[0],
    '── row 1 ──',
  );
});

test('no rows are said to be none', (t) => {
  t.is(renderTable([['a']], 80), 'No rows.\n');
});

test('a file name can forge no row and no escape sequence', (t) => {
  const shown = renderTable([['name'], ['x\nroot  0'], ['\u001b[2J\u009b1A\u202e']], 80);
  t.is(shown.split('\n').length, 5);
  t.notRegex(shown, /[\u001b\u009b\u202e]/u);
});

test('values that are no text are shown as JSON', (t) => {
  t.regex(renderTable([['a'], [['x', { b: 1 }]]], 80), /\["x",\{"b":1\}\]/u);
});
