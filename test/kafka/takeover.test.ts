import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import type { EventLog } from '../../eventlog/event-log.ts';
import { event, policy, recordsOf, textOf } from '../eventlog/toy.ts';
import { eventually } from '../support/eventually.ts';
import { openKafkaLog } from './kafka-log.ts';
import { makeTopics, testConnection } from './topics.ts';

const script = fileURLToPath(new URL(`./run-stages${extname(import.meta.url)}`, import.meta.url));
const sessionTimeoutMs = 2000;
const nodes = ['a', 'b', 'c', 'd', 'e', 'f'];

/** Another process that runs the toy stages; killed when the test ends. */
async function startStages(t: ExecutionContext, prefix: string): Promise<ChildProcess> {
  const args = [script, testConnection().brokers.join(','), prefix, String(sessionTimeoutMs)];
  const child = spawn(process.execPath, ['--enable-source-maps', ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  t.teardown(() => {
    child.kill('SIGKILL');
  });
  await once(child.stdout, 'data');
  return child;
}

/** Appends the `round`th event of every node; each knows its number, so that a repeat would be seen as one left out. */
async function appendRound(log: EventLog, round: number): Promise<void> {
  await log.append(nodes.map((node) => event(node, `${node}${round}`)));
}

/** What the last stage has said of each node, in order. */
async function verdicts(log: EventLog): Promise<ReadonlyMap<string, readonly string[]>> {
  const all = await recordsOf(log, ['dead-letters']);
  return new Map(nodes.map((node) => [node, all.filter(({ key }) => key === node).map(textOf)]));
}

/** Waits for a verdict on each of `rounds` events of every node, and holds that there is one of each, in order. */
async function assertEach(t: ExecutionContext, log: EventLog, rounds: number): Promise<void> {
  await eventually(`${rounds} verdicts of every node`, async () => {
    const found = await verdicts(log);
    return nodes.every((node) => (found.get(node)?.length ?? 0) >= rounds) ? true : undefined;
  });
  for (const [node, texts] of await verdicts(log)) {
    const expected = Array.from(
      { length: rounds },
      (_, place) => `${place + 1} ${node}${place + 1} [p=x] judged by [p=x]`,
    );
    t.deepEqual(texts, expected);
  }
}

test('a process that stands still past its session is replaced, and what it does after it wakes is fenced', async (t) => {
  const prefix = await makeTopics(t, { partitions: 3 });
  const log = await openKafkaLog(t, { prefix });
  await log.append([policy('p', 'x')]);
  const first = await startStages(t, prefix);
  await appendRound(log, 1);
  await assertEach(t, log, 1);
  const second = await startStages(t, prefix);
  let round = 1;
  for (const stopped of [first, second, first]) {
    await appendRound(log, (round += 1));
    // Wherever it is just now: with a batch in hand, in a transaction, or between two.
    stopped.kill('SIGSTOP');
    await appendRound(log, (round += 1));
    await assertEach(t, log, round);
    stopped.kill('SIGCONT');
    await appendRound(log, (round += 1));
    await assertEach(t, log, round);
  }
});

test('a process that is killed at any moment leaves nothing undone and nothing done twice', async (t) => {
  const prefix = await makeTopics(t, { partitions: 3 });
  const log = await openKafkaLog(t, { prefix });
  await log.append([policy('p', 'x')]);
  let round = 0;
  let alive = await startStages(t, prefix);
  for (let kills = 0; kills < 4; kills++) {
    for (let place = 0; place < 5; place++) await appendRound(log, (round += 1));
    alive.kill('SIGKILL');
    alive = await startStages(t, prefix);
    await assertEach(t, log, round);
  }
});

test('one who is told to end hands over what it has, without waiting for its session to end', async (t) => {
  const prefix = await makeTopics(t, { partitions: 3 });
  const log = await openKafkaLog(t, { prefix });
  await log.append([policy('p', 'x')]);
  const first = await startStages(t, prefix);
  await appendRound(log, 1);
  await assertEach(t, log, 1);
  const second = await startStages(t, prefix);
  await appendRound(log, 2);
  first.stdin?.end();
  const [code] = (await once(first, 'close')) as [number | null];
  t.is(code, 0);
  await appendRound(log, 3);
  await assertEach(t, log, 3);
  second.stdin?.end();
  const [secondCode] = (await once(second, 'close')) as [number | null];
  t.is(secondCode, 0);
});
