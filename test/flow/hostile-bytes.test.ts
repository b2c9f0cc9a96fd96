import { closeSync, openSync } from 'node:fs';
import test from 'ava';
import { FlowHome } from '../support/flow-home.ts';
import { eventually } from '../support/eventually.ts';

/** A file name, how an alert spells it, and its bytes where the spelling does not give them. */
interface HostileName {
  readonly what: string;
  readonly bytes: Buffer;
  readonly text: string;
  readonly valid: boolean;
  /** On a terminal: nothing that could steer it. */
  readonly shown: string;
}

const name = (what: string, bytes: Buffer | string, text: string, shown: string): HostileName => {
  const buffer = typeof bytes === 'string' ? Buffer.from(bytes) : bytes;
  return { what, bytes: buffer, text, shown, valid: typeof bytes === 'string' };
};

const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1');

const names: readonly HostileName[] = [
  name(
    'a newline that begins a forged line',
    'a\n12:00:00.000  Block',
    'a\n12:00:00.000  Block',
    'a\\n12:00:00.000  Block',
  ),
  name(
    'quotes and a statement',
    `q'"\`\\'; DROP TABLE alerts; --`,
    `q'"\`\\'; DROP TABLE alerts; --`,
    `q'"\`\\'; DROP TABLE alerts; --`,
  ),
  name(
    'a color and a title',
    'e\u001b[31m\u001b]0;owned\u0007',
    'e\u001b[31m\u001b]0;owned\u0007',
    'e\\x1b[31m\\x1b]0;owned\\x07',
  ),
  name('a control sequence of one character (C1)', 'c\u009b2J', 'c\u009b2J', 'c\\x9b2J'),
  name('text that turns around', 'r\u202efdp.exe', 'r\u202efdp.exe', 'r\\u{202e}fdp.exe'),
  name('a tab and a carriage return', 't\tx\ry', 't\tx\ry', 't\\tx\\ry'),
  name('invalid UTF-8', latin1('i-\xff'), 'i-\\xff', 'i-\\xff'),
  name('other invalid UTF-8', latin1('i-\xfe'), 'i-\\xfe', 'i-\\xfe'),
  name('what invalid UTF-8 is spelled as', 'i-\\xff', 'i-\\xff', 'i-\\xff'),
  name(
    'a cut sequence and a surrogate',
    latin1('s-\xe2\x82-\xed\xa0\x80'),
    's-\\xe2\\x82-\\xed\\xa0\\x80',
    's-\\xe2\\x82-\\xed\\xa0\\x80',
  ),
  name('other scripts', 'ß-日本-🦊', 'ß-日本-🦊', 'ß-日本-🦊'),
];

interface Row {
  readonly resource: string;
  readonly raw: string;
}

/** Everything that a terminal would act on, but for line ends and what clears and redraws the status line, and colors of ours. */
function steering(output: string): readonly string[] {
  const ours = /\r\n|\r?\u001b\[K|\u001b\[(?:1|2|33|31;1|0)m|\n/gu;
  return [...output.replace(ours, '').matchAll(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/gu)].map(
    ([character]) => character,
  );
}

test('file names of hostile bytes come out right in SQL and JSON, stay apart, and steer neither a pipe nor a terminal', async (t) => {
  await using home = new FlowHome();
  await using watcher = new FlowHome();
  // One for people in a terminal, one for machines in a pipe; both watch the same folder.
  watcher.writePolicy('acts', { directory: `${home.acts}/` });
  const [inTerminal, inPipe] = await Promise.all([home.up({ terminal: true }), watcher.up()]);

  for (const { bytes } of names) {
    closeSync(openSync(Buffer.concat([Buffer.from(`${home.acts}/`), bytes]), 'w'));
  }
  await home.settled();
  await watcher.settled();

  const prefix = Buffer.from(`${home.acts}/`);
  const expected = names.map(({ text, bytes, valid }) => ({
    resource: `${home.acts}/${text}`,
    raw: valid ? '' : Buffer.concat([prefix, bytes]).toString('hex').toUpperCase(),
  }));
  const query = `SELECT resource, raw_bytes_hex['resource'] AS raw FROM alerts WHERE policy_name = 'acts' ORDER BY kernel_time_ns`;
  const rows = await home.sql<Row>(query);
  t.deepEqual(
    rows.map((row) => ({ ...row, raw: row.raw.toUpperCase() })),
    expected,
    'in SQL, bytes beside what was no text',
  );
  t.is(new Set(rows.map((row) => JSON.stringify(row))).size, names.length, 'names that differ stay apart');
  const [{ times } = { times: '' }] = await home.sql<{ readonly times: string }>(
    `SELECT uniqExact(resource, raw_bytes_hex['resource']) AS times FROM alerts WHERE policy_name = 'acts'`,
  );
  t.is(Number(times), names.length);

  const shown = await eventually('JSON of every alert', () => {
    const lines = inPipe.output.split('\n').filter((line) => line.includes('"PolicyName":"acts"'));
    return lines.length === names.length ? lines : undefined;
  });
  t.deepEqual(
    shown.map((line) => (JSON.parse(line) as { readonly Resource: string }).Resource),
    expected.map(({ resource }) => resource),
    'in JSON, one line an alert',
  );
  t.deepEqual(steering(inPipe.output), []);

  for (const each of names) {
    const text = `opened ${home.acts}/${each.shown}`;
    await eventually(`on the terminal: ${each.what}`, () => (inTerminal.output.includes(text) ? true : undefined));
  }
  t.deepEqual(steering(inTerminal.output), [], 'the terminal is sent nothing that a file name says');

  for (const options of [{ terminal: true }, {}]) {
    const asJson = await home.run(['sql', '--json', query], options);
    t.is(asJson.code, 0);
    const lines = asJson.output.split(/\r?\n/u).filter((line) => line !== '');
    t.deepEqual(
      lines.map((line) => (JSON.parse(line) as Row).resource),
      expected.map(({ resource }) => resource),
    );
  }
  const table = await home.run(['sql', query], { terminal: true });
  t.deepEqual(steering(table.output), []);
  for (const each of names) t.true(table.output.includes(each.shown), each.what);
});
