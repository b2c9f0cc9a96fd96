import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import type { CollectorOptions } from '../../collector/collector.ts';
import { EmbeddedEventLog } from '../../eventlog/embedded.ts';
import type { RawEventBatch } from '../../schemas/generated.ts';
import { collectorOptions } from '../support/collector-run.ts';
import { eventually } from '../support/eventually.ts';
import { whyNoKernelTests } from '../support/kernel-capture.ts';

const reason = whyNoKernelTests();
const kernelTest = reason === undefined ? test.serial : test.serial.skip;
if (reason !== undefined) console.log(`skipped: ${reason}`);

function begin(options: CollectorOptions, log: string): ChildProcess {
  const file = join(import.meta.dirname, '../support/collector-process.js');
  return spawn(process.execPath, ['--enable-source-maps', file, JSON.stringify(options), log], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

async function batchesOf(log: string): Promise<readonly RawEventBatch[]> {
  await using reader = EmbeddedEventLog.openReadOnly({ directory: log });
  const batches: RawEventBatch[] = [];
  const signal = new AbortController().signal;
  for await (const record of reader.read({ topics: ['raw-events'], from: 'start', follow: false, signal })) {
    if (record.topic === 'raw-events' && record.value !== undefined) batches.push(record.value);
  }
  return batches;
}

/** Waits until so many sessions have begun to append: loading programs takes a while on a busy machine. */
async function sessionsBegun(options: CollectorOptions, count: number): Promise<void> {
  const file = join(options.dataDirectory, 'collector-sessions');
  const begun = (): number => (existsSync(file) ? readFileSync(file, 'latin1').split(' end').length - 1 : 0);
  await eventually(`${count} sessions begin`, () => (begun() >= count ? true : undefined));
}

/** Acts for the kernel to see: execs and opens, until the given time has passed. */
async function act(ms: number): Promise<void> {
  for (const end = performance.now() + ms; performance.now() < end;) {
    spawnSync('/bin/sh', ['-c', 'i=0; while [ $i -lt 200 ]; do : < /etc/passwd; i=$((i+1)); done; /bin/true']);
    await sleep(1);
  }
}

kernelTest('what the kernel gave out is appended over kills, under the session in which it happened', async (t) => {
  const options = collectorOptions(t);
  const log = mkdtempSync('/tmp/palisade-collector-log-');
  t.teardown(() => {
    rmSync(log, { recursive: true, force: true });
  });
  const kills = 3;
  for (let kill = 0; kill < kills; kill++) {
    const child = begin(options, log);
    const exited = once(child, 'exit');
    await sessionsBegun(options, kill + 1);
    await act(200 + 337 * kill);
    child.kill('SIGKILL');
    await exited;
  }
  const last = begin(options, log);
  const exited = once(last, 'exit');
  await sessionsBegun(options, kills + 1);
  await act(500);
  last.kill('SIGTERM');
  t.deepEqual(await exited, [0, null]);

  const batches = await batchesOf(log);
  const sessions = [...new Set(batches.map(({ session }) => session))];
  t.is(sessions.length, kills + 1);
  for (const [place, session] of sessions.entries()) {
    const own = batches.filter((batch) => batch.session === session);
    // Sessions follow one another, and each ends once, with its last batch.
    t.deepEqual(
      own.map((batch) => batch.sessionEnded),
      own.map((_, index) => index === own.length - 1),
    );
    // Numbers rise; those that were written down and not appended when it was killed are left out.
    const steps = own.map((batch, index) => batch.batch - (own[index - 1]?.batch ?? 0));
    t.true(steps.every((step) => step >= 1) && steps.filter((step) => step > 1).length <= kills, steps.join(' '));
    // Submitted = received, to the unit: nothing was lost with the process. What came twice has the same number.
    const received = new Set(own.flatMap(({ events }) => events.map(({ cpu, sequence }) => `${cpu}:${sequence}`)));
    const counters = own.at(-1)?.counters ?? [];
    for (const row of counters) t.is(row.seen, row.filtered + row.submitted + row.dropped);
    const existing = own.flatMap(({ events }) => events).filter(({ operation }) => operation === 'existing').length;
    const fromKernel = counters.filter(({ operation }) => operation !== 'existing');
    t.is(
      received.size - existing,
      fromKernel.reduce((sum, { submitted }) => sum + submitted, 0),
    );
    t.true(received.size > 100);
    const away = own.flatMap(({ gaps }) => gaps).filter((gap) => gap.reason === 'monitorAway');
    t.is(away.length, place === 0 ? 0 : 1);
    for (const gap of away) t.true(gap.fromTimeNs < gap.toTimeNs);
    // The time of a session's batches never goes back.
    t.true(own.every((batch, index) => batch.baseTimeNs >= (own[index - 1]?.baseTimeNs ?? 0n)));
  }
});

kernelTest('batches with the clock and the counters come also where nothing else does', async (t) => {
  const options = collectorOptions(t);
  const log = mkdtempSync('/tmp/palisade-collector-log-');
  t.teardown(() => {
    rmSync(log, { recursive: true, force: true });
  });
  const child = begin(options, log);
  const exited = once(child, 'exit');
  await sessionsBegun(options, 1);
  const counted = await eventually('batches with counters', async () => {
    const found = (await batchesOf(log)).filter((batch) => batch.counters.length > 0);
    return found.length >= 4 ? found : undefined;
  });
  child.kill('SIGTERM');
  await exited;
  for (const [index, batch] of counted.slice(1).entries()) {
    t.true(batch.baseTimeNs > (counted[index]?.baseTimeNs ?? 0n));
  }
});

kernelTest('a session that is killed before its first batch is appended leaves its gap to the next one', async (t) => {
  const options = collectorOptions(t);
  const log = mkdtempSync('/tmp/palisade-collector-log-');
  t.teardown(() => {
    rmSync(log, { recursive: true, force: true });
  });
  await wholeSession(options, log, 1);

  // The second one has opened its session and written its batch down, and no log has taken it.
  const held = spawn(
    process.execPath,
    ['--enable-source-maps', join(import.meta.dirname, '../support/held-collector.js'), JSON.stringify(options)],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const killed = once(held, 'exit');
  const said = await Promise.race([once(held.stdout, 'data'), killed]);
  t.is(String(said[0]), 'appending\n');
  held.kill('SIGKILL');
  await killed;
  await wholeSession(options, log, 3);

  const batches = await batchesOf(log);
  const [first, second, third] = [...new Set(batches.map(({ session }) => session))];
  if (first === undefined || second === undefined || third === undefined) return t.fail('there are not three sessions');
  const gapsOf = (session: bigint): RawEventBatch['gaps'] =>
    batches.filter((batch) => batch.session === session).flatMap(({ gaps }) => gaps);
  t.deepEqual([...gapsOf(first), ...gapsOf(second)], []);
  const [away, ...more] = gapsOf(third);
  t.deepEqual(more, []);
  t.is(away?.reason, 'monitorAway');
  // From where the first one ended, over the second one's beginning, which nobody has told.
  t.true((away?.fromTimeNs ?? 0n) > first, `from ${away?.fromTimeNs}, the first began at ${first}`);
  t.true((away?.fromTimeNs ?? second) < second, `from ${away?.fromTimeNs}, the second began at ${second}`);
  t.true((away?.toTimeNs ?? 0n) >= third, `to ${away?.toTimeNs}, the third began at ${third}`);
});

/** A collector that begins the given session, counted from 1, and is then told to end. */
async function wholeSession(options: CollectorOptions, log: string, number: number): Promise<void> {
  const child = begin(options, log);
  const exited = once(child, 'exit');
  await sessionsBegun(options, number);
  child.kill('SIGTERM');
  await exited;
}
