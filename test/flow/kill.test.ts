import process from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { DoubleWatch } from '../support/double-watch.ts';
import { eventually } from '../support/eventually.ts';
import { FlowHome } from '../support/flow-home.ts';
import { bootTimeNs, isAlive } from '../support/linux-process.ts';
import { accountOfOpens, isInGap } from '../support/opens-account.ts';
import { seededRandom } from '../support/seeded-random.ts';
import { SteadyOpens } from '../support/steady-opens.ts';

/** Alerts a second while processes are killed. */
const perSecond = 200;
const kills = 4;
/** The longest that a life lasts before it is killed. */
const longestLifeMs = 2500;
/** `PALISADE_TEST_SEED=… npm run test:flow` plays the moments of a failure again. */
const seed = Number(process.env['PALISADE_TEST_SEED'] ?? Date.now() % 1_000_000);

/** From when on the monitor surely watched, until when it surely still did. */
interface Watched {
  readonly fromNs: bigint;
  readonly toNs: bigint;
}

test('killed with SIGKILL again and again while alerts flow, whenever it is, `up` loses nothing that the kernel had told and doubles nothing', async (t) => {
  t.log(`PALISADE_TEST_SEED=${seed}`);
  const random = seededRandom(seed);
  await using home = new FlowHome();
  let up = await home.up();
  const watched: Watched[] = [];
  await using opens = new SteadyOpens({ directory: home.acts, perSecond });
  await using doubles = new DoubleWatch(home);

  for (let kill = 0; kill < kills; kill++) {
    const fromNs = bootTimeNs() + 10_000_000n;
    await delay(random() * longestLifeMs);
    watched.push({ fromNs, toNs: bootTimeNs() });
    up.kill('SIGKILL');
    await up.ended;
    // Every other time it is killed once more while it starts: whatever it is doing then.
    if (kill % 2 === 1) {
      up = home.startUp();
      await delay(random() * longestLifeMs);
      up.kill('SIGKILL');
      await up.ended;
    }
    up = await home.up();
  }
  const lastFromNs = bootTimeNs() + 10_000_000n;
  await doubles.looked(10);
  await opens.stop();
  watched.push({ fromNs: lastFromNs, toNs: bootTimeNs() });
  await home.settled();

  const account = await eventually('coverage of every gap', async () => {
    const found = await accountOfOpens(home);
    const unexplained = opens.opens.filter((open) => !found.alerts.has(open.name) && !isInGap(open, found.gaps));
    return unexplained.length === 0 ? found : undefined;
  }).catch(() => accountOfOpens(home));

  t.deepEqual(await doubles.end(), [], 'ids that a SELECT returned twice, at any time');
  t.deepEqual(
    [...account.alerts].filter(([, times]) => times !== 1),
    [],
    'exactly one alert a file',
  );
  t.is(account.ids, account.alerts.size);
  t.deepEqual(
    [...account.raw].filter((name) => !account.alerts.has(name)),
    [],
    'raw events that were appended and have no alert',
  );
  const missing = opens.opens.filter((open) => !account.alerts.has(open.name));
  t.log(`${opens.opens.length} opens, ${account.alerts.size} alerts, ${missing.length} missing`);
  for (const { fromNs, toNs } of watched) t.log(`watched from ${fromNs} to ${toNs}`);
  for (const { reason, fromNs, toNs, lost } of account.gaps) t.log(`gap ${reason} from ${fromNs} to ${toNs}: ${lost}`);
  t.deepEqual(
    missing.filter((open) => watched.some(({ fromNs, toNs }) => open.beforeNs > fromNs && open.afterNs < toNs)),
    [],
    'opens that the kernel told of before the kill',
  );
  t.deepEqual(
    missing.filter((open) => !isInGap(open, account.gaps)),
    [],
    'what is missing lies in a gap that coverage names',
  );
});

test("the engine's process killed with SIGKILL while alerts flow is back by itself, and nothing is lost or doubled", async (t) => {
  t.log(`PALISADE_TEST_SEED=${seed}`);
  const random = seededRandom(seed);
  await using home = new FlowHome();
  const up = await home.up();
  await using opens = new SteadyOpens({ directory: home.acts, perSecond });
  await using doubles = new DoubleWatch(home);
  const engines: number[] = [];

  for (let kill = 0; kill < 3; kill++) {
    await delay(random() * longestLifeMs);
    const engine = await eventually('an engine', () => up.enginePid);
    engines.push(engine);
    process.kill(engine, 'SIGKILL');
    await eventually('its end', () => (isAlive(engine) ? undefined : true));
  }
  await doubles.looked(6);
  await opens.stop();
  await home.settled();

  const account = await accountOfOpens(home);
  t.deepEqual(await doubles.end(), []);
  t.is(new Set(engines).size, 3);
  t.deepEqual(
    opens.opens.filter((open) => account.alerts.get(open.name) !== 1).map(({ name }) => name),
    [],
    'files that have not exactly one alert',
  );
  t.is(account.ids, opens.opens.length);
  t.true(isAlive(up.pid));
  t.regex(up.errors, /the ClickHouse engine is back/u);
});
