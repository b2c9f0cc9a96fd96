import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readdirSync, readFileSync, readSync, writeFileSync, writeSync } from 'node:fs';
import { extname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import test, { type ExecutionContext } from 'ava';
import { EmbeddedEventLog } from '../../eventlog/embedded.ts';
import { runStages } from '../../eventlog/runner.ts';
import { assertNodeSupported, databasePath } from '../../eventlog/sqlite-layout.ts';
import { Metrics } from '../../runtime/metrics.ts';
import type { Retention } from '../../eventlog/retention.ts';
import { conformance } from './conformance.ts';
import { retentionConformance } from './retention-conformance.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { sumOf } from '../runtime/sum-of.ts';
import { event, policy, quietly, recordsOf, tagger, textsOf } from './toy.ts';

async function open(t: ExecutionContext, retention: Partial<Retention> = {}): Promise<EmbeddedEventLog> {
  const log = await EmbeddedEventLog.open({ directory: temporaryDirectory(t), retention });
  t.teardown(() => log[Symbol.asyncDispose]());
  return log;
}

conformance('embedded', (t) => open(t), { oneSequence: true });
retentionConformance('embedded', open);

/** A file of this folder, as it is run. */
function script(name: string): string {
  return fileURLToPath(new URL(`./${name}${extname(import.meta.url)}`, import.meta.url));
}

for (const durability of ['group', 'commit'] as const) {
  test(`what was appended with durability ${durability} is there after a close`, async (t) => {
    const directory = temporaryDirectory(t);
    {
      await using log = await EmbeddedEventLog.open({ directory, durability });
      await log.append([event('a', '1'), policy('p', 'x')]);
    }
    t.deepEqual(readdirSync(directory).sort(), ['events.sqlite', 'owner.lock']);
    await using log = await EmbeddedEventLog.open({ directory, durability });
    await log.append([event('a', '2')]);
    t.deepEqual(
      (await recordsOf(log, ['coverage', 'policies'])).map(({ topic, offset }) => `${topic} ${offset}`),
      ['coverage 0', 'policies 0', 'coverage 1'],
    );
  });
}

test("a second owner is refused with the first one's pid, and admitted when that one has closed", async (t) => {
  const directory = temporaryDirectory(t);
  {
    await using log = await EmbeddedEventLog.open({ directory });
    await log.append([event('a', '1')]);
    const error = await t.throwsAsync(EmbeddedEventLog.open({ directory }), { code: 'EVENT_LOG_OWNED' });
    t.regex(error.message, new RegExp(`in use by process ${process.pid}:`, 'u'));
  }
  await using log = await EmbeddedEventLog.open({ directory });
  t.deepEqual(await textsOf(log, ['coverage']), ['1']);
});

test('an owner in another process is named by its pid, and followed at once when it is killed', async (t) => {
  const directory = temporaryDirectory(t);
  const child = spawn(process.execPath, [script('hold-log'), directory], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  const error = await t.throwsAsync(EmbeddedEventLog.open({ directory }), { code: 'EVENT_LOG_OWNED' });
  t.regex(error.message, new RegExp(`in use by process ${String(child.pid)}:`, 'u'));
  child.kill('SIGKILL');
  await once(child, 'exit');
  t.true(readdirSync(directory).includes('owner.json'), 'it left its name behind');
  await using log = await EmbeddedEventLog.open({ directory });
  t.deepEqual(await textsOf(log, ['coverage']), ['held']);
});

test('a name left behind by a process whose pid another one has now does not mislead', async (t) => {
  const directory = temporaryDirectory(t);
  writeFileSync(join(directory, 'owner.json'), JSON.stringify({ pid: process.pid, startTicks: 1 }));
  await using log = await EmbeddedEventLog.open({ directory });
  await log.append([event('a', '1')]);
  const owner = JSON.parse(readFileSync(join(directory, 'owner.json'), 'utf8')) as Record<string, unknown>;
  t.is(owner['pid'], process.pid);
  t.not(owner['startTicks'], 1);
});

test('another process reads and follows while the owner runs, and reads after it has stopped', async (t) => {
  const directory = temporaryDirectory(t);
  {
    await using log = await EmbeddedEventLog.open({ directory });
    await log.append([event('a', 'first'), policy('p', 'x')]);
    const child = spawn(process.execPath, [script('read-log'), directory], { stdio: ['ignore', 'pipe', 'inherit'] });
    t.teardown(() => child.kill('SIGKILL'));
    let printed = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (printed += text));
    while (!printed.includes('first')) await delay(10);
    await log.append([event('a', 'while it follows')]);
    while (!printed.includes('while it follows')) await delay(10);
    child.kill('SIGKILL');
    t.deepEqual(printed.trim().split('\n'), ['1 policies', 'first', 'while it follows']);
  }
  await using reader = EmbeddedEventLog.openReadOnly({ directory });
  t.deepEqual(await textsOf(reader, ['coverage']), ['first', 'while it follows']);
  t.is((await reader.table('policies')).position, 1);
});

test('a log that is not there is refused for reading, with its place', (t) => {
  const directory = temporaryDirectory(t);
  const error = t.throws(() => EmbeddedEventLog.openReadOnly({ directory }), { code: 'EVENT_LOG_FAILED' });
  t.true(error.message.includes(directory));
});

test('another thread appends through a port, back to back with this one, until the log closes', async (t) => {
  const log = await EmbeddedEventLog.open({ directory: temporaryDirectory(t) });
  t.teardown(() => log[Symbol.asyncDispose]());
  const port = log.createAppendPort();
  const worker = new Worker(script('append-through'), { workerData: { port, count: 200 }, transferList: [port] });
  t.teardown(() => worker.terminate());
  const finished = once(worker, 'message');
  for (let place = 0; place < 200; place++) await log.append([event('here', String(place))]);
  t.deepEqual(await finished, ['appended']);
  const records = await recordsOf(log, ['coverage']);
  const texts = Array.from({ length: 200 }, (_, place) => String(place));
  for (const node of ['here', 'there']) {
    t.deepEqual(
      records.filter(({ key }) => key === node).map((record) => record.topic === 'coverage' && record.value?.bootId),
      texts,
    );
  }
  const refused = once(worker, 'message');
  await log[Symbol.asyncDispose]();
  worker.postMessage('append once more');
  t.deepEqual(await refused, ['EVENT_LOG_FAILED']);
});

test('a bit that flipped on the disk is told, goes to dead letters, and the stream goes on', async (t) => {
  const directory = temporaryDirectory(t);
  {
    await using log = await EmbeddedEventLog.open({ directory });
    for (const text of ['before', 'the damaged one', 'after']) await log.append([event('a', text)]);
  }
  flipBit(databasePath(directory), 'the damaged one');
  await using log = await EmbeddedEventLog.open({ directory });
  const metrics = new Metrics();
  await runStages([tagger], log, quietly(metrics), AbortSignal.abort());
  t.deepEqual(await textsOf(log, ['workloads']), ['1 before []', '2 after []']);
  const [letter] = await recordsOf(log, ['dead-letters']);
  t.like(letter?.value, { topic: 'coverage', partition: 0, offset: 1, key: 'a', stage: 'tagger' });
  t.regex(await textsOf(log, ['dead-letters']).then(String), /coverage\/0 offset 1: .*checksum/u);
  t.is(sumOf(metrics, 'palisade_events_dropped_total', { reason: 'unreadable', topic: 'coverage' }), 1);
  t.is(sumOf(metrics, 'palisade_errors_total', { code: 'RECORD_UNREADABLE' }), 1);
});

test('a Node that would crash in the store is refused before it is loaded', (t) => {
  t.throws(
    () => {
      assertNodeSupported('20.20.1');
    },
    { code: 'EVENT_LOG_FAILED', message: /needs Node 22 or later, this is 20.20.1/u },
  );
  t.notThrows(() => {
    assertNodeSupported('22.20.0');
  });
});

function flipBit(path: string, text: string): void {
  const position = readFileSync(path).indexOf(text);
  const descriptor = openSync(path, 'r+');
  const byte = Buffer.alloc(1);
  readSync(descriptor, byte, 0, 1, position);
  byte[0] = (byte[0] ?? 0) ^ 1;
  writeSync(descriptor, byte, 0, 1, position);
  closeSync(descriptor);
}
