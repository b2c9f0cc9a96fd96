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
  '2026-11-24T25:00Z',
  '24.11.2026',
  '-5m',
  '2026-11-24T12:00:00ZZ',
])
  test(`"${text}" is refused`, (t) => {
    t.throws(() => parseMoment(text, nowMs), { code: 'commander.invalidArgument', message: /15m/u });
  });

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
