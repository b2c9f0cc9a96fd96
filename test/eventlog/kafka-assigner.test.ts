import test from 'ava';
import fc from 'fast-check';
import { divide } from '../../eventlog/kafka-assigner.ts';

const partitions = 12;
/** Members with claims of any kind: of partitions that are not there, and of the same ones. */
const members = fc
  .uniqueArray(fc.string({ minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 8 })
  .chain((ids) =>
    fc.tuple(
      ...ids.map((id) =>
        fc
          .uniqueArray(fc.integer({ min: 0, max: 2 * partitions }), { maxLength: partitions })
          .map((owned) => ({ id, owned })),
      ),
    ),
  );

test('every partition has one member, and no member has two more than another', (t) => {
  fc.assert(
    fc.property(members, (given) => {
      const shares = [...divide(given, partitions).values()];
      const all = shares.flat().sort((first, second) => first - second);
      t.deepEqual(
        all,
        Array.from({ length: partitions }, (_, place) => place),
      );
      const sizes = shares.map(({ length }) => length);
      t.true(Math.max(...sizes) - Math.min(...sizes) <= 1);
    }),
  );
});

test('the order of the members changes nothing', (t) => {
  fc.assert(
    fc.property(members, (given) => {
      t.deepEqual(divide([...given].reverse(), partitions), divide(given, partitions));
    }),
  );
});

test('a division that is asked for again is the same', (t) => {
  fc.assert(
    fc.property(members, (given) => {
      const first = divide(given, partitions);
      const again = given.map(({ id }) => ({ id, owned: first.get(id) ?? [] }));
      t.deepEqual(divide(again, partitions), first);
    }),
  );
});

test('one who joins takes no more than a share, and one who leaves moves no partition of the others', (t) => {
  const two = divide(
    [
      { id: 'a', owned: [] },
      { id: 'b', owned: [] },
    ],
    partitions,
  );
  const before = ['a', 'b'].map((id) => ({ id, owned: two.get(id) ?? [] }));
  const three = divide([...before, { id: 'c', owned: [] }], partitions);
  for (const { id, owned } of before) t.true((three.get(id) ?? []).every((partition) => owned.includes(partition)));
  t.is(three.get('c')?.length, 4);
  const left = divide(
    ['a', 'b'].map((id) => ({ id, owned: three.get(id) ?? [] })),
    partitions,
  );
  for (const id of ['a', 'b']) t.true((three.get(id) ?? []).every((kept) => left.get(id)?.includes(kept)));
});
