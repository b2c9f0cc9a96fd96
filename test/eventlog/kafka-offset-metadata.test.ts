import test from 'ava';
import fc from 'fast-check';
import { decodeOffsetMetadata, encodeOffsetMetadata } from '../../eventlog/kafka-offset-metadata.ts';
import { topicNames } from '../../schemas/topics.ts';

const state = fc.record({
  tables: fc.dictionary(fc.constantFrom(...topicNames), fc.maxSafeNat()).map((tables) => ({ ...tables })),
  intended: fc.option(
    fc.record({ first: fc.maxSafeNat(), last: fc.maxSafeNat() }).map((range) => ({ ...range })),
    {
      nil: undefined,
    },
  ),
});

test('what is written beside an offset is read back, and is far below what a broker takes', (t) => {
  fc.assert(
    fc.property(state, (written) => {
      const text = encodeOffsetMetadata(written);
      t.deepEqual(decodeOffsetMetadata(text, 'g'), written);
      t.true(text.length < 1024);
    }),
  );
});

test('an offset that another tool has set says nothing of tables', (t) => {
  t.deepEqual(decodeOffsetMetadata('', 'g'), { tables: {}, intended: undefined });
});

test('a table of another version is left out', (t) => {
  t.deepEqual(decodeOffsetMetadata('{"tables":{"policies":1,"later":2}}', 'g').tables, { policies: 1 });
});

for (const text of ['x', '1', '{}', '{"tables":[]}x', '{"tables":{"policies":-1}}', '{"tables":{},"intended":[1]}']) {
  test(`metadata of “${text}” is refused with the group's name`, (t) => {
    const error = t.throws(() => decodeOffsetMetadata(text, 'the group'), { code: 'EVENT_LOG_FAILED' });
    t.true(error.message.includes('the group') && error.message.includes(text));
  });
}
