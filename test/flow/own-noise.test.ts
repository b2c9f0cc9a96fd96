import { readFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import test from 'ava';
import { eventually } from '../support/eventually.ts';
import { FlowHome } from '../support/flow-home.ts';
import { isAlive } from '../support/linux-process.ts';

interface Act {
  readonly host_pid: number;
  readonly resource: string;
}

test("a policy about the pipeline's own files tells of others that open them, never of the pipeline, also after its engine was killed", async (t) => {
  await using home = new FlowHome();
  home.writePolicy('own-data', { directory: `${home.dataDirectory}/` });
  home.writePolicy('own-policies', { directory: `${home.policies}/` });
  const up = await home.up();
  const acts = async (): Promise<readonly Act[]> =>
    home.rows<Act>(`SELECT host_pid, resource FROM alerts WHERE startsWith(policy_name, 'own-') ORDER BY time`);

  // Makes it read policy files, and the engine write and merge parts.
  const engines = [await eventually('an engine', () => up.enginePid)];
  for (let turn = 0; turn < 20; turn++) {
    home.act(`noise-${turn}`);
    if (turn % 5 === 0) home.writePolicy('acts', { directory: `${home.acts}/`, message: `turn ${turn}` });
    await home.settled();
  }
  process.kill(engines[0] ?? 0, 'SIGKILL');
  await eventually('its end', () => (isAlive(engines[0] ?? 0) ? undefined : true));
  engines.push(await eventually('another engine', () => up.enginePid));
  for (let turn = 0; turn < 10; turn++) {
    home.act(`after-${turn}`);
    await home.settled();
  }
  const nodeId = path.join(home.dataDirectory, 'node-id');
  readFileSync(nodeId);
  await home.settled();

  const all = await acts();
  const own = new Set([up.pid, ...engines]);
  t.deepEqual(
    all.filter((act) => own.has(act.host_pid)),
    [],
    'acts of the pipeline itself',
  );
  t.true(
    all.some((act) => act.host_pid === process.pid && act.resource === nodeId),
    'the same act by another process',
  );
});
