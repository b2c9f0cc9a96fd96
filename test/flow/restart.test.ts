import process from 'node:process';
import test from 'ava';
import { EmbeddedEventLog } from '../../eventlog/embedded.ts';
import { dataLayout } from '../../cli/data-directory.ts';
import { eventually } from '../support/eventually.ts';
import { FlowHome } from '../support/flow-home.ts';

/** `npm run test:long` does what a person's patience does not allow for each commit. */
const restarts = process.env['PALISADE_TEST_LONG'] === undefined ? 10 : 100;
/** Of one start, work and end, at most. */
const secondsEach = 120;

interface StoredAlert {
  readonly id: string;
  readonly session: string;
  readonly resource: string;
}

interface StoredGap {
  readonly from_ms: string;
  readonly to_ms: string;
}

test(`in ${restarts} lives of the monitor in one boot every event and alert has an id of its own, and what happens between two is a gap that says "monitor away"`, async (t) => {
  t.timeout(restarts * secondsEach * 1000);
  await using home = new FlowHome();
  const [watched, away]: [string[], { readonly file: string; readonly atMs: number }[]] = [[], []];
  for (let life = 1; life <= restarts; life++) {
    const up = await home.up();
    watched.push(home.act(`watched-${life}`));
    up.kill('SIGTERM');
    const { code, errors } = await up.ended;
    t.is(code, 0, errors);
    away.push({ file: home.act(`away-${life}`), atMs: Date.now() });
  }
  await home.up();
  await home.settled();

  const alerts = await home.rows<StoredAlert>(
    `SELECT id, toString(session) AS session, resource FROM alerts WHERE startsWith(resource, '${home.acts}/') ORDER BY time`,
  );
  t.deepEqual(
    alerts.map((alert) => alert.resource),
    watched,
    'exactly one alert for each act that was watched, none for the others',
  );
  t.is(new Set(alerts.map((alert) => alert.id)).size, restarts);
  t.is(new Set(alerts.map((alert) => alert.session)).size, restarts, 'each life is a session of its own');

  const { events, distinct } = await countEvents(home);
  t.true(events > restarts);
  t.is(distinct, events, 'events are told apart by node, boot, session, CPU and sequence');

  const gaps = await eventually('a gap for each restart', async () => {
    const found = await home.rows<StoredGap>(
      `SELECT toString(toUnixTimestamp64Milli(from_time)) AS from_ms, toString(toUnixTimestamp64Milli(to_time)) AS to_ms FROM coverage_gaps WHERE reason = 'monitorAway'`,
    );
    return found.length >= restarts ? found : undefined;
  });
  t.is(gaps.length, restarts);
  t.deepEqual(
    away.filter(({ atMs }) => !gaps.some((gap) => atMs >= Number(gap.from_ms) && atMs <= Number(gap.to_ms))),
    [],
    'every act that nobody watched lies in a gap',
  );
});

/** Rows of raw events in the log that the kernel's programs made, and how many identities they have. */
async function countEvents(home: FlowHome): Promise<{ readonly events: number; readonly distinct: number }> {
  await using log = EmbeddedEventLog.openReadOnly({ directory: dataLayout(home.dataDirectory).log });
  const identities = new Set<string>();
  let events = 0;
  const { signal } = new AbortController();
  for await (const record of log.read({ topics: ['raw-events'], from: 'start', follow: false, signal })) {
    if (record.topic !== 'raw-events' || record.value === undefined) continue;
    const { nodeId, bootId, session } = record.value;
    for (const { cpu, sequence } of record.value.events) {
      if (cpu < 0) continue;
      events += 1;
      identities.add(`${nodeId}/${bootId}/${session}/${cpu}/${sequence}`);
    }
  }
  return { events, distinct: identities.size };
}
