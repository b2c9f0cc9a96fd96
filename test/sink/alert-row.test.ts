import test from 'ava';
import fc from 'fast-check';
import { textOf } from '../../runtime/printable.ts';
import { columnOf, RowWriter } from '../../sink/alert-row.ts';
import { insertToken } from '../../sink/clickhouse.ts';
import { sampleAlert } from '../support/alert.ts';

const range = { topic: 'alerts', partition: 0, first: 1, last: 2 } as const;

test('a field is a column under its name in snake_case', (t) => {
  t.is(columnOf('parentProcessName'), 'parent_process_name');
  t.is(columnOf('id'), 'id');
});

test('64-bit numbers are strings, which JSON does not round', (t) => {
  const row = new RowWriter().alert(sampleAlert({ session: 2n ** 63n - 1n, kernelTimeNs: 9_007_199_254_740_993n }));
  t.is(row['session'], '9223372036854775807');
  t.is(row['kernel_time_ns'], '9007199254740993');
});

test('a row names no column of its own for what is in another form', (t) => {
  const row = new RowWriter().alert(sampleAlert());
  t.false('rule' in row);
  t.false('raw_bytes' in row);
});

test('any two names that differ in a byte give rows that differ', (t) => {
  const rowOf = (name: Uint8Array) => {
    const { text, valid } = textOf(name);
    return JSON.stringify(
      new RowWriter().alert(
        sampleAlert({ resource: text, rawBytes: valid ? [] : [{ field: 'resource', bytes: name }] }),
      ),
    );
  };
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 12 }), fc.uint8Array({ maxLength: 12 }), (first, second) => {
      const same = Buffer.compare(first, second) === 0;
      return (rowOf(first) === rowOf(second)) === same;
    }),
  );
  t.not(rowOf(Buffer.from([0x61, 0xff])), rowOf(Buffer.from([0x61, 0xfe])));
});

test('a row is one line of JSON, whatever is in it', (t) => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary' }),
      (resource) => !JSON.stringify(new RowWriter().alert(sampleAlert({ resource }))).includes('\n'),
    ),
  );
  t.pass();
});

test('an insert has the same token when it comes again, and another when anything differs', (t) => {
  const rows = Buffer.from('{"id":"a"}\n{"id":"b"}');
  const token = insertToken('group', range, rows);
  t.is(insertToken('group', { ...range }, Buffer.from(rows)), token);
  const others = [
    insertToken('other', range, rows),
    insertToken('group', { ...range, partition: 1 }, rows),
    insertToken('group', { ...range, first: 0 }, rows),
    insertToken('group', { ...range, last: 3 }, rows),
    insertToken('group', range, rows.subarray(0, 10)),
    insertToken('group', range, Buffer.from('{"id":"b"}\n{"id":"a"}')),
  ];
  t.is(new Set([token, ...others]).size, 7);
});
