import { existsSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { dataLayout } from '../../cli/data-directory.ts';
import { recordingFile } from '../../cli/demo/recording.ts';
import { story } from '../../cli/demo/story.ts';
import { removeData } from '../../cli/uninstall.ts';
import { PalisadeHome } from '../support/palisade-process.ts';

test('a replay goes into a database of its own, and a second one of its name takes its place', async (t) => {
  await using home = new PalisadeHome();
  const query = 'SELECT policy_name, count() AS alerts FROM alerts GROUP BY policy_name ORDER BY policy_name';
  for (let replay = 0; replay < 2; replay++) {
    const { code, output, errors } = await home.run(['replay', recordingFile()]);
    t.is(code, 0, errors);
    t.regex(output, /Alerts are in the database recording: npx palisade sql --database recording /u);
    const policies = story.map(({ policy }) => policy);
    const counts = [...new Set(policies)].sort().map((name) => [name, policies.filter((one) => one === name).length]);
    const { output: rows } = await home.run(['sql', '--database', 'recording', query]);
    t.is(rows, [['policy_name', 'alerts'], ...counts].map((row) => `${row.join('\t')}\n`).join(''));
  }
  t.false(existsSync(dataLayout(home.dataDirectory).engine), 'the live tables were not even made');
  const count = 'SELECT count() AS alerts FROM alerts';
  t.is((await home.run(['sql', count])).output, 'alerts\n0\n', 'and have none of it');
});

test('a replay gives its coverage as well, and --database names it', async (t) => {
  await using home = new PalisadeHome();
  await home.run(['replay', recordingFile(), '--database', 'mine']);
  const { output } = await home.run(['sql', '--database', 'mine', 'SELECT count() AS sessions FROM coverage']);
  t.regex(output, /^sessions\n\d+\n$/u);
  const none = await home.run(['sql', '--database', 'recording', 'SELECT 1']);
  t.is(none.code, 78);
  t.regex(none.errors, /flag --database: .*names no replay in /u);
  t.true(existsSync(path.join(dataLayout(home.dataDirectory).replays, 'mine')));
});

test('uninstall removes the databases of replays', async (t) => {
  await using home = new PalisadeHome();
  await home.run(['replay', recordingFile()]);
  t.true(await removeData(dataLayout(home.dataDirectory)));
  t.false(existsSync(home.dataDirectory));
});
