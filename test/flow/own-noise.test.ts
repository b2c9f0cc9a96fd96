import process from 'node:process';
import path from 'node:path';
import test from 'ava';
import { eventually } from '../support/eventually.ts';
import { FlowHome } from '../support/flow-home.ts';

test("what the pipeline's processes do with their own files gives no alert, nor does an engine that was started anew", async (t) => {
  await using home = new FlowHome();
  home.writePolicy('own-files', { directory: `${home.dataDirectory}/` });
  const up = await home.up();
  const first = await eventually('an engine', () => up.enginePid);
  await home.settled();
  process.kill(first, 'SIGKILL');
  await up.says(/the ClickHouse engine is back/u);
  const second = await eventually('another engine', () => up.enginePid);
  t.not(second, first);
  await home.settled();

  const alerts = await home.rows<{ readonly host_pid: number; readonly resource: string }>(
    `SELECT host_pid, resource FROM alerts WHERE startsWith(resource, '${path.join(home.dataDirectory, 'clickhouse')}')`,
  );
  t.deepEqual(alerts.filter(({ host_pid }) => [up.pid, first, second].includes(host_pid)).slice(0, 5), []);
});
