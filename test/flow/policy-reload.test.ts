import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { dataLayout } from '../../cli/data-directory.ts';
import { EmbeddedEventLog } from '../../eventlog/embedded.ts';
import { eventually } from '../support/eventually.ts';
import { FlowHome } from '../support/flow-home.ts';

interface Judged {
  readonly action: string;
  readonly severity: string;
  readonly message: string;
}

/** Acts again and again until one is judged as `accept` wants, and returns that judgment. */
async function actUntil(
  home: FlowHome,
  folder: string,
  accept: (judged: Judged | undefined) => boolean,
): Promise<Judged | undefined> {
  let turn = 0;
  const found = await eventually('another judgment of the same act', async () => {
    turn += 1;
    const file = path.join(folder, `try-${process.hrtime.bigint()}-${turn}`);
    writeFileSync(file, '');
    await home.settled();
    const [judged] = await home.rows<Judged>(`SELECT action, severity, message FROM alerts WHERE resource = '${file}'`);
    return accept(judged) ? { judged } : undefined;
  });
  return found.judged;
}

/** Keys of the table of policies, as any reader of the log has it. */
async function policyKeys(home: FlowHome): Promise<readonly string[]> {
  await using log = EmbeddedEventLog.openReadOnly({ directory: dataLayout(home.dataDirectory).log });
  const { records } = await log.table('policies');
  return records.map((record) => record.key).sort();
}

test('policy files are followed while `up` runs and found changed after it was down', async (t) => {
  await using home = new FlowHome();
  const folder = path.join(home.folder, 'followed');
  mkdirSync(folder);
  const up = await home.up();
  t.is(await actUntil(home, folder, () => true), undefined, 'no policy, no alert');

  home.writePolicy('followed', { directory: `${folder}/`, severity: 3, message: 'first version' });
  const first = await actUntil(home, folder, (judged) => judged !== undefined);
  t.deepEqual(first, { action: 'Audit', severity: '3', message: 'first version' }, 'a new file');

  home.writePolicy('followed', { directory: `${folder}/`, severity: 8, message: 'second version', action: 'Block' });
  const second = await actUntil(home, folder, (judged) => judged?.severity !== '3');
  t.deepEqual(second, { action: 'Audit (Block)', severity: '8', message: 'second version' }, 'a changed file');

  // A slip that people make, in a file that was good before; its neighbors stay in force.
  home.writePolicyText(
    'followed.yaml',
    'kind: KubeArmorHostPolicy\nmetadata:\n  name: followed\nspec:\n  severity: eleven\n',
  );
  await up.says(/followed\.yaml:5/u);
  t.regex(up.errors, /severity/u);
  t.deepEqual(await actUntil(home, folder, () => true), second, 'the version before stays in force');
  t.true((await policyKeys(home)).includes('KubeArmorHostPolicy//followed'));

  up.kill('SIGTERM');
  t.is((await up.ended).code, 0);
  rmSync(path.join(home.policies, 'followed.yaml'));
  await home.up();
  t.is(await actUntil(home, folder, () => true), undefined, 'deleted while it was down');
  t.deepEqual(await policyKeys(home), ['KubeArmorHostPolicy//acts', 'KubeArmorHostPolicy//marks']);
});
