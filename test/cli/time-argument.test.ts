import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { parseMoment } from '../../cli/time-argument.ts';

const nowMs = Date.parse('2026-11-24T12:00:00Z');

function means(t: ExecutionContext, text: string, expected: string, nanoseconds = 0n): void {
  t.is(parseMoment(text, nowMs), BigInt(Date.parse(expected)) * 1_000_000n + nanoseconds);
}

test('a duration is so long ago', means, '15m', '2026-11-24T11:45:00Z');
test('a date with a zone', means, '2026-11-24T13:30:05+01:30', '2026-11-24T12:00:05Z');
test('a fraction keeps its nanoseconds', means, '2026-11-24T12:00:05.123456789Z', '2026-11-24T12:00:05Z', 123_456_789n);
test('a date without a zone is local', means, '2026-11-24 12:30', '2026-11-24T12:30');
test('a date without a time is local midnight, not that of UTC', means, '2026-11-24', '2026-11-24T00:00');

for (const text of [
  '',
  'yesterday',
  '15',
  '2026-13-01',
  '2026-02-30',
  '2026-04-31T12:00Z',
  '2026-11-24T25:00Z',
  '24.11.2026',
  '-5m',
  '2026-11-24T12:00:00ZZ',
])
  test(`"${text}" is refused`, (t) => {
    t.throws(() => parseMoment(text, nowMs), { code: 'commander.invalidArgument', message: /15m/u });
  });

for (const text of ['9999-12-31', '2262-01-01T00:00Z', '1969-12-31T23:59:59Z', '999999999d'])
  test(`"${text}" is a time that cannot be stored, and refused`, (t) => {
    t.throws(() => parseMoment(text, nowMs), { code: 'commander.invalidArgument', message: /from 1970 to 2261/u });
  });
test(
  'the last moment that can be stored',
  means,
  '2261-12-31T23:59:59.999999999Z',
  '2261-12-31T23:59:59Z',
  999_999_999n,
);

test('any text whatever is a moment or refused', (t) => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      try {
        return parseMoment(text, nowMs) >= 0n;
      } catch (error) {
        return error instanceof Error && 'code' in error && error.code === 'commander.invalidArgument';
      }
    }),
  );
  t.pass();
});
