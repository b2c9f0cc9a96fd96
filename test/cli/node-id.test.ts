import test from 'ava';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { keptNodeId, madeNodeId } from '../../cli/node-id.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const machineId = '0123456789abcdef0123456789abcdef';

test('a machine gets the same id again when its data directory was lost', (t) => {
  const source = { machineId, inContainer: false };
  t.is(madeNodeId(source), madeNodeId(source));
});

test('the id does not give the machine id away', (t) => {
  t.false(madeNodeId({ machineId, inContainer: false }).includes(machineId.slice(0, 8)));
});

for (const [title, source] of [
  ['in a container', { machineId, inContainer: true }],
  ['without a machine id', { machineId: undefined, inContainer: false }],
  ['with a malformed machine id', { machineId: 'uninitialized', inContainer: false }],
  ['with a machine id of zeros', { machineId: '0'.repeat(32), inContainer: false }],
] as const) {
  test(`${title} two nodes get two ids`, (t) => {
    t.not(madeNodeId(source), madeNodeId(source));
    t.regex(madeNodeId(source), /^node-[0-9a-f]{16}$/u);
  });
}

test('an id is made once and kept', async (t) => {
  const folder = path.join(temporaryDirectory(t), 'new');
  const made = await keptNodeId(folder, { machineId: undefined, inContainer: false });
  t.is(await keptNodeId(folder, { machineId: undefined, inContainer: false }), made);
  t.is((await readFile(path.join(folder, 'node-id'), 'utf8')).trim(), made);
});

test('an id file that a crash left empty is made anew', async (t) => {
  const folder = temporaryDirectory(t);
  await writeFile(path.join(folder, 'node-id'), '');
  t.regex(await keptNodeId(folder, { machineId, inContainer: false }), /^node-/u);
});
