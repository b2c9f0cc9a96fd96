import test, { type ExecutionContext } from 'ava';
import { verdictOf, type Stored } from './stored.ts';

const good: Stored = {
  alerts: new Map([
    ['a', '1'],
    ['b', '2'],
    ['c', '3'],
  ]),
  doubled: 0,
  views: { alerts: 3, coverage: 1, coverage_gaps: 0, loss: 2 },
  coverage: ['7'],
  byPolicy: ['{"policy_name":"p","alerts":"3"}'],
  published: { alerts: 3, coverage: 1, deadLetters: 0 },
};

test('what is stored as expected has no problem', (t) => {
  t.deepEqual(verdictOf(good, { ...good, alerts: new Map([...good.alerts].reverse()) }), {
    expected: 3,
    stored: 3,
    lost: 0,
    doubled: 0,
    problems: [],
  });
});

function differs(t: ExecutionContext, stored: Partial<Stored>, lost: number, doubled: number, problem: RegExp): void {
  const verdict = verdictOf(good, { ...good, ...stored });
  t.is(verdict.lost, lost);
  t.is(verdict.doubled, doubled);
  t.is(verdict.problems.length, 1);
  t.regex(verdict.problems[0] ?? '', problem);
}

const [a, b, c] = [...good.alerts];
const without = (...entries: readonly (readonly [string, string] | undefined)[]): Map<string, string> =>
  new Map(entries.filter((entry) => entry !== undefined));
test('an alert that is missing is lost', differs, { alerts: without(a, b) }, 1, 0, /^1 expected alerts are missing/u);
test('all of them', differs, { alerts: new Map() }, 3, 0, /^3 expected alerts are missing/u);
test('an alert of other content is lost', differs, { alerts: without(a, b, ['c', '9']) }, 1, 0, /missing or differ/u);
test('an alert too many', differs, { alerts: without(a, b, c, ['d', '4']) }, 0, 0, /^1 alerts are not expected/u);
test('an alert that is shown twice', differs, { doubled: 1 }, 0, 1, /^1 alerts are shown again$/u);
test(
  'a view of other size',
  differs,
  { views: { ...good.views, loss: 3 } },
  0,
  0,
  /^views should be .*loss":2.*loss":3/u,
);
test('another row of coverage', differs, { coverage: ['8'] }, 0, 0, /^coverage should be/u);
test('other counts by policy', differs, { byPolicy: [] }, 0, 0, /^byPolicy should be/u);
test(
  'a double in the topic, which the table hides',
  differs,
  { published: { ...good.published, alerts: 4 } },
  0,
  0,
  /^published should be .*"alerts":3.*"alerts":4/u,
);

test('a double of the undisturbed run is a problem, too', (t) => {
  t.regex(verdictOf({ ...good, doubled: 2 }, good).problems.join('\n'), /^2 alerts .* even by the undisturbed run$/u);
});
