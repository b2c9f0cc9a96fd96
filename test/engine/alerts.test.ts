import test from 'ava';
import { isWanted, type AlertFilter } from '../../cli/alert-filter.ts';
import { storedAlerts } from '../../cli/alerts.ts';
import { alertText, paletteFor } from '../../cli/alert-text.ts';
import { kubeArmorJsonLine } from '../../cli/kubearmor-json.ts';
import type { Alert } from '../../schemas/generated.ts';
import { alertsSink } from '../../sink/clickhouse.ts';
import { sampleAlert } from '../support/alert.ts';
import { everyAlert } from '../support/alert-filters.ts';
import { startTestEngine, testUser } from '../support/engine.ts';
import { store } from '../support/store.ts';

const hostile = "o'node\\\u001b[2J\n\u202e{node0:String}";
const id = '0123456789abcdef0123';
const first = 1_765_000_000_000_000_000n;
const samples: readonly Alert[] = [
  sampleAlert({}),
  sampleAlert({ severity: '', action: 'Audit', rule: null, policyName: 'DefaultPosture', hostPid: -1 }),
  sampleAlert({ severity: '10', operation: 'File', namespaceName: 'shop', action: 'Block', uid: 4_294_967_294 }),
  sampleAlert({ containerId: id, containerName: 'db', nodeId: 'node-2', origin: 'recording', tags: [] }),
  sampleAlert({ nodeId: hostile, policyName: hostile, resource: hostile, containerName: hostile, tags: [hostile] }),
].map((alert, index) => ({ ...alert, id: `id-${index}`, timeUnixNs: first + BigInt(index) }));

const filters: readonly (readonly [string, Partial<AlertFilter>])[] = [
  ['nothing', {}],
  ['policies', { policy: ['DefaultPosture', 'block-ls-from-dash', "'"] }],
  ['a hostile policy', { policy: [hostile] }],
  ['a namespace', { namespace: ['shop'] }],
  ['a container by id', { container: [id.slice(0, 12)] }],
  ['too short an id, and a name', { container: [id.slice(0, 11), 'web'] }],
  ['a hostile container', { container: [hostile] }],
  ['an action', { action: ['BLOCK'] }],
  ['an operation', { operation: ['file', 'network'] }],
  ['a hostile node', { node: [hostile] }],
  ['a severity', { severity: 6 }],
  ['a span', { sinceNs: first + 1n, untilNs: first + 3n }],
  ['several at once', { severity: 5, node: ['node-1'], action: ['Audit (Block)'] }],
];

test.serial('SQL and the follower of the topic want the same alerts', async (t) => {
  await using engine = await startTestEngine();
  await store(alertsSink(engine.owner), samples);
  const choice = { dataDirectory: engine.dataDirectory, runAs: testUser() };
  for (const [title, partial] of filters) {
    const filter = { ...everyAlert, ...partial };
    const expected = samples.filter((alert) => isWanted(alert, filter)).map((alert) => alert.id);
    t.true(expected.length > 0, `${title}: a filter that wants nothing shows nothing`);
    const found = await storedAlerts(choice, filter, 100);
    t.deepEqual(found.map((alert) => alert.id).reverse(), expected, title);
  }
  const newest = await storedAlerts(choice, everyAlert, 2);
  t.deepEqual(
    newest.map((alert) => alert.id),
    ['id-4', 'id-3'],
    'of a limit the newest',
  );
});

test.serial('an alert out of the database is shown as it is when it comes, for people and for machines', async (t) => {
  await using engine = await startTestEngine();
  await store(alertsSink(engine.owner), samples);
  const choice = { dataDirectory: engine.dataDirectory, runAs: testUser() };
  const found = [...(await storedAlerts(choice, everyAlert, 100))].reverse();
  const palette = paletteFor(false, {});
  t.deepEqual(found.map(kubeArmorJsonLine), samples.map(kubeArmorJsonLine));
  t.deepEqual(
    found.map((alert) => alertText(alert, palette)),
    samples.map((alert) => alertText(alert, palette)),
  );
});
