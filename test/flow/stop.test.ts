import path from 'node:path';
import test from 'ava';
import { eventually } from '../support/eventually.ts';
import { FlowHome } from '../support/flow-home.ts';
import { bootTimeNs } from '../support/linux-process.ts';
import { accountOfOpens } from '../support/opens-account.ts';
import { SteadyOpens, type SteadyOpen } from '../support/steady-opens.ts';

const perSecond = 200;

interface Count {
  readonly resource: string;
  readonly times: string;
}

const countQuery = (home: FlowHome): string =>
  `SELECT resource, count() AS times FROM alerts WHERE startsWith(resource, '${home.acts}/') GROUP BY resource`;

for (const how of ['SIGTERM', 'Ctrl-C in its terminal'] as const) {
  test(`${how} in the midst of alerts: what was seen is stored, it ends with 0, and a second start goes on without a double`, async (t) => {
    await using home = new FlowHome();
    const inTerminal = how !== 'SIGTERM';
    const up = await home.up({ terminal: inTerminal });
    await using opens = new SteadyOpens({ directory: home.acts, perSecond });
    const fromNs = bootTimeNs() + 10_000_000n;
    const isSeen = (open: SteadyOpen): boolean => open.beforeNs > fromNs;
    await eventually('opens', () => (opens.opens.filter(isSeen).length > perSecond ? true : undefined));

    const toNs = bootTimeNs();
    if (inTerminal) up.type('\u0003');
    else up.kill('SIGTERM');
    const { code, output, errors } = await up.ended;
    t.is(code, 0, errors);
    // In the time that docs/cli.md promises a machine that is very busy may not store all: it says so, and the next start goes on.
    const isDrained = `${output}${errors}`.includes('everything that was seen is stored');
    if (!isDrained) t.regex(`${output}${errors}`, /Stopped before everything that was seen was stored/u);
    await opens.stop();

    const stored = new Map(
      (await home.sql<Count>(countQuery(home))).map(({ resource, times }) => [resource, Number(times)]),
    );
    const seen = opens.opens.filter((open) => isSeen(open) && open.afterNs < toNs);
    t.true(seen.length > 0);
    const missing = seen.filter((open) => stored.get(`${home.acts}/${open.name}`) !== 1);
    if (isDrained) t.deepEqual(missing, [], 'stored while nothing runs any more');

    await home.up();
    const after = home.act('after');
    await home.settled();
    const account = await accountOfOpens(home);
    t.deepEqual(
      [...account.alerts].filter(([, times]) => times !== 1),
      [],
    );
    t.true(account.alerts.has(path.basename(after)));
    t.deepEqual(
      seen.filter((open) => !account.alerts.has(open.name)),
      [],
    );
    if (isDrained) t.is(account.alerts.size, stored.size + 1, `and one more, of ${after}`);
  });
}

test('a second `up` on the same data is refused with the pid of the first, which goes on', async (t) => {
  await using home = new FlowHome();
  const up = await home.up();
  const second = home.startUp();
  const { code, output, errors } = await second.ended;
  t.is(code, 75);
  t.is(output, '');
  t.regex(errors, new RegExp(`in use by process ${up.pid}:`, 'u'));
  home.act('still-watched');
  await home.settled();
  t.is((await home.rows(`SELECT id FROM alerts WHERE resource = '${home.acts}/still-watched'`)).length, 1);
});
