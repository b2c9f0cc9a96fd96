import test from 'ava';
import fc from 'fast-check';
import { textOf } from '../../runtime/printable.ts';
import { avroTypeWrittenAs } from '../../schemas/avro-types.ts';
import { AvroInput } from '../../sink/avro-input.ts';
import { insertToken } from '../../sink/clickhouse.ts';
import { columnOf, fieldsOf } from '../../sink/column-type.ts';
import { NativeOutput } from '../../sink/native-output.ts';
import { beginAlerts } from '../../sink/table-columns.ts';
import { alertBlock } from '../support/alert-block.ts';
import { sampleAlert } from '../support/alert.ts';

const longs = fc.oneof(
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc
    .tuple(fc.nat({ max: 63 }), fc.integer({ min: -2, max: 2 }))
    .map(([bits, by]) => BigInt.asIntN(64, 2n ** BigInt(bits) + BigInt(by))),
);

const range = { topic: 'alerts', partition: 0, first: 1, last: 2 } as const;

test('a field is a column under its name in snake_case', (t) => {
  t.is(columnOf('parentProcessName'), 'parent_process_name');
  t.is(columnOf('id'), 'id');
});

test('no column is named twice, nor after what is in another form', (t) => {
  const names = beginAlerts().block.columnNames;
  t.is(new Set(names).size, names.length);
  t.false(names.includes('rule'));
  t.false(names.includes('raw_bytes'));
});

test('any text is its length in bytes and its UTF-8', (t) => {
  // Short and long ones, around the length where the way of writing changes.
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 60 }),
    fc.string({ unit: 'binary-ascii', minLength: 40, maxLength: 60 }),
    fc.string({ unit: 'grapheme', minLength: 100, maxLength: 300 }),
  );
  fc.assert(
    fc.property(fc.array(text), (values) => {
      const output = new NativeOutput();
      const expected = values.flatMap((value) => {
        output.string(value);
        const bytes = Buffer.from(value);
        return [Buffer.from(varint(bytes.length)), bytes];
      });
      return output.take().equals(Buffer.concat(expected));
    }),
  );
  t.pass();
});

function varint(value: number): readonly number[] {
  return value < 0x80 ? [value] : [(value % 0x80) | 0x80, ...varint(Math.floor(value / 0x80))];
}

test('any number is its 64 bits, as JavaScript or as Avro has it', (t) => {
  const long = avroTypeWrittenAs({ type: 'long', javaScript: 'bigint' });
  fc.assert(
    fc.property(fc.maxSafeInteger(), longs, (number, big) => {
      const output = new NativeOutput();
      output.int64(number);
      const input = new AvroInput();
      input.begin(long.toBuffer(big));
      input.long();
      output.words(input.low, input.high);
      const bytes = output.take();
      return bytes.readBigInt64LE(0) === BigInt(number) && bytes.readBigInt64LE(8) === big;
    }),
  );
  t.pass();
});

test('a number that is padded, and an array in blocks that tell their size, are read as Avro has them', (t) => {
  const input = new AvroInput();
  input.begin(
    Uint8Array.of(0x83, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00, 0x83, 0x80, 0x80, 0x80, 0x80, 0x00, 3, 4, 9, 9, 2, 9, 0),
  );
  t.is(input.int(), -2);
  input.long();
  t.deepEqual([input.low, input.high], [-2, -1]);
  t.is(input.count(), 2);
  input.position += 2;
  t.is(input.count(), 1);
  input.position += 1;
  t.is(input.count(), 0);
});

test('texts that repeat are written once', (t) => {
  const message = 'a message of some length, '.repeat(40);
  const one = alertBlock(sampleAlert({ message })).length;
  const many = alertBlock(
    ...Array.from({ length: 100 }, (_, index) => sampleAlert({ id: `a${index}`, message })),
  ).length;
  t.true(many < one + 100 * message.length);
});

test('text that is no UTF-8, which no writer of ours makes, is stored as what decoding it gives', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      const output = new NativeOutput();
      output.text(bytes, 0, bytes.length);
      const expected = new NativeOutput();
      expected.string(Buffer.from(bytes).toString());
      return output.take().equals(expected.take());
    }),
  );
  t.pass();
});

test('any two names that differ in a byte give rows that differ', (t) => {
  const rowOf = (name: Uint8Array): Buffer => {
    const { text, valid } = textOf(name);
    return alertBlock(sampleAlert({ resource: text, rawBytes: valid ? [] : [{ field: 'resource', bytes: name }] }));
  };
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 12 }), fc.uint8Array({ maxLength: 12 }), (first, second) => {
      const same = Buffer.compare(first, second) === 0;
      return rowOf(first).equals(rowOf(second)) === same;
    }),
  );
  t.false(rowOf(Buffer.from([0x61, 0xff])).equals(rowOf(Buffer.from([0x61, 0xfe]))));
});

test('a field of a type that no column has is refused, not left out', (t) => {
  const record = (type: unknown) => avroTypeWrittenAs({ type: 'record', name: 'R', fields: [{ name: 'f', type }] });
  for (const type of ['double', 'bytes', ['null', 'int', 'string'], { type: 'map', values: 'int' }]) {
    t.throws(() => fieldsOf(record(type)), { message: /no column type/u });
  }
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
