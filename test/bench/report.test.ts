import test from 'ava';
import { Report } from '../../bench/report.ts';

function report(json: boolean): { readonly report: Report; readonly lines: () => readonly string[] } {
  let written = '';
  const output = {
    write: (text: string) => {
      written += text;
    },
  };
  return { report: new Report({ json, output }), lines: () => written.trimEnd().split('\n') };
}

test('a figure is one JSON object a line: the medians and how they compare', (t) => {
  const { report: json, lines } = report(true);
  json.figure('sink', { figure: 'rows', unit: 'rows/s', values: [3, 1, 200], baseline: [5, 7, 6] });
  json.figure('sink', { figure: 'alone', unit: 'ms', values: [1.23456], baseline: null });
  json.figure('sink', { figure: 'none', unit: 'events', values: [0], baseline: [0] });
  t.deepEqual(lines(), [
    '{"bench":"sink","figure":"rows","value":3,"unit":"rows/s","baseline":6,"ratio":0.5}',
    '{"bench":"sink","figure":"alone","value":1.235,"unit":"ms","baseline":null,"ratio":null}',
    '{"bench":"sink","figure":"none","value":0,"unit":"events","baseline":0,"ratio":null}',
  ]);
});

test('for people a figure has its lowest and highest trial beside it', (t) => {
  const { report: text, lines } = report(false);
  text.figure('sink', { figure: 'rows', unit: 'rows/s', values: [3, 1, 200], baseline: [5, 7, 6] });
  t.regex(lines()[0] ?? '', /^sink +rows +3 rows\/s \[1 to 200\] {2}\(0\.5 × 6 rows\/s\)$/u);
});
