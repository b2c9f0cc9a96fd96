import test from 'ava';
import { FlowHome } from '../support/flow-home.ts';

test('`palisade sql` gives the same alerts while `up` runs and after it has stopped: as a table, as lines, as JSON', async (t) => {
  await using home = new FlowHome();
  const up = await home.up();
  const files = ['first', 'second'].map((name) => home.act(name));
  await home.settled();
  const query = `SELECT policy_name, resource, severity FROM alerts WHERE policy_name = 'acts' ORDER BY time`;
  const lines = files.map((file) => `acts\t${file}\t5\n`).join('');
  const objects = files.map((resource) => ({ policy_name: 'acts', resource, severity: '5' }));

  const ask = async (when: string): Promise<void> => {
    const plain = await home.run(['sql', query]);
    t.is(plain.code, 0, plain.errors);
    t.is(plain.output, `policy_name\tresource\tseverity\n${lines}`, when);
    const asJson = await home.run(['sql', '--json', query]);
    const told = asJson.output.split('\n').slice(0, -1);
    t.deepEqual(
      told.map((line) => JSON.parse(line) as unknown),
      objects,
      when,
    );
    const csv = await home.run(['sql', '--format', 'CSV', query]);
    t.is(csv.output, files.map((file) => `"acts","${file}","5"\n`).join(''), when);
    const table = await home.run(['sql', query], { terminal: true });
    t.is(table.code, 0);
    for (const word of ['policy_name', 'severity', ...files, '─'])
      t.true(table.output.includes(word), `${when}: ${word}`);
    t.false(table.output.includes('\t'));
    const none = await home.run(['sql', `SELECT id FROM alerts WHERE resource = 'nowhere'`], { terminal: true });
    t.regex(none.output, /No rows\./u, when);
  };

  await ask('while it runs');
  up.kill('SIGTERM');
  t.is((await up.ended).code, 0);
  await ask('after it has stopped');
});

test('a query that cannot be run says why, with an exit code, and changes nothing', async (t) => {
  await using home = new FlowHome();
  const up = await home.up();
  const file = home.act('kept');
  await home.settled();

  const misspelled = await home.run(['sql', 'SELECT nothing_like_that FROM alerts']);
  t.is(misspelled.code, 1);
  t.regex(misspelled.errors, /nothing_like_that/u);
  t.is(misspelled.output, '');
  for (const query of [
    'DROP TABLE alerts_stored',
    'TRUNCATE TABLE alerts_stored',
    `SELECT * FROM file('/etc/passwd', LineAsString)`,
  ]) {
    const { code, output } = await home.run(['sql', query]);
    t.is(code, 1, query);
    t.is(output, '', query);
  }
  t.deepEqual(await home.sql(`SELECT resource FROM alerts WHERE policy_name = 'acts'`), [{ resource: file }]);
  up.kill('SIGTERM');
  await up.ended;
});
