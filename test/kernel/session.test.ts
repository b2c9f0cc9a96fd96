import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, closeSync, existsSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import test, { type ExecutionContext } from 'ava';
import { containerBytes } from '../../collector/container-structs.ts';
import { KernelError } from '../../native/kernel-error.ts';
import { openMonitor, type Monitor, type MonitorStatistics } from '../../native/monitor.ts';
import { openCapture, pinDirectory, testHierarchy, whyNoKernelTests } from '../support/kernel-capture.ts';
import { decodeBlock } from '../support/kernel-event.ts';

const reason = whyNoKernelTests();
const kernelTest = reason === undefined ? test.serial : test.serial.skip;
if (reason !== undefined) console.log(`skipped: ${reason}`);

const victim = join(import.meta.dirname, '../support/monitor-process.js');

function open(directory: string, ringBytes = 8 << 20): Monitor {
  return openMonitor({ pinDirectory: directory, ringBytes, hierarchy: testHierarchy() });
}

/** Everything up to the end of a detached monitor's ring, as session → cpu:sequence. */
async function drain(monitor: Monitor): Promise<Map<bigint, string[]>> {
  const read = new Map<bigint, string[]>();
  monitor.detach();
  for await (const block of monitor.blocks(new AbortController().signal)) {
    for (const { session, cpu, sequence } of decodeBlock(block.bytes)) {
      if (session !== block.session) throw new Error('an event of another session is in the block');
      const known = read.get(session) ?? [];
      known.push(`${cpu}:${sequence}`);
      read.set(session, known);
    }
    block.release();
  }
  return read;
}

function sum(figures: Float64Array): number {
  return figures.reduce((total, figure) => total + figure, 0);
}

function balances(t: ExecutionContext, statistics: MonitorStatistics): void {
  const { seen, filtered, submitted, dropped, sequence } = statistics;
  seen.forEach((count, place) => {
    t.is(count, (filtered[place] ?? 0) + (submitted[place] ?? 0) + (dropped[place] ?? 0));
  });
  t.is(sum(sequence), sum(submitted) + sum(dropped));
}

async function killedMonitor(
  directory: string,
): Promise<{ readonly session: bigint; readonly read: readonly string[] }> {
  const child = spawn(process.execPath, [victim, directory], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  for await (const piece of child.stdout) {
    text += String(piece);
    if (text.includes('\n')) break;
  }
  child.kill('SIGKILL');
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  const line = JSON.parse(text) as { readonly session: string; readonly read: readonly string[] };
  return { session: BigInt(line.session), read: line.read };
}

kernelTest(
  'a kill between reading and appending loses nothing: the next start reads it all under the old session',
  async (t) => {
    const directory = pinDirectory(t);
    const killed = await killedMonitor(directory);
    const monitor = open(directory);
    const [predecessor, ...others] = monitor.predecessors;
    t.is(others.length, 0);
    t.is(predecessor?.session, killed.session);
    t.true(monitor.session > killed.session);
    if (predecessor === undefined) return;
    balances(t, predecessor.statistics);

    t.false(monitor.finishPredecessor(killed.session), 'not before its ring is read and released');
    const read = (await drain(monitor)).get(killed.session) ?? [];
    const expected = Array.from(predecessor.statistics.sequence).flatMap((last, cpu) =>
      Array.from({ length: last }, (_, place) => `${cpu}:${place + 1}`),
    );
    // What a busy machine did beyond the ring is dropped, and has a number all the same.
    t.is(read.length, sum(predecessor.statistics.submitted));
    t.is(new Set(read).size, read.length, 'none twice');
    const numbered = new Set(expected);
    t.true(read.every((event) => numbered.has(event)));
    const found = new Set(read);
    t.true(killed.read.every((event) => found.has(event)));

    t.true(monitor.finishPredecessor(killed.session));
    await monitor.close();
    const next = open(directory);
    t.deepEqual(next.predecessors, []);
    await drain(next);
    await next.close();
  },
);

kernelTest('two kills in a row leave two sessions, read oldest first', async (t) => {
  const directory = pinDirectory(t);
  const first = await killedMonitor(directory);
  const second = await killedMonitor(directory);
  const monitor = open(directory);
  t.deepEqual(
    monitor.predecessors.map(({ session }) => session),
    [first.session, second.session],
  );
  t.deepEqual([...(await drain(monitor)).keys()].slice(0, 2), [first.session, second.session]);
  await monitor.close();
});

kernelTest('a session closed with a block not given back is found again; one given back is not', async (t) => {
  const directory = pinDirectory(t);
  const held = open(directory);
  spawnSync('/bin/true');
  for await (const block of held.blocks(new AbortController().signal)) {
    if (block.bytes.length > 0) break;
  }
  await held.close();
  const monitor = open(directory);
  t.deepEqual(
    monitor.predecessors.map(({ session }) => session),
    [held.session],
  );
  await drain(monitor);
  t.true(monitor.finishPredecessor(held.session));
  await monitor.close();
  t.false(existsSync(join(directory, `session-${held.session}`)));
  t.false(existsSync(join(directory, `session-${monitor.session}`)));
});

kernelTest('a ring of one page drops, and every figure closes: seen, submitted, received, sequence', async (t) => {
  const monitor = open(pinDirectory(t), 4096);
  for (let turn = 0; turn < 20; turn++) spawnSync('/bin/ls', ['/']);
  const received = (await drain(monitor)).get(monitor.session) ?? [];
  const statistics = monitor.statistics();
  balances(t, statistics);
  t.true(sum(statistics.dropped) > 0);
  t.is(received.length, sum(statistics.submitted));
  t.is(new Set(received).size, received.length);
  t.is(statistics.skippedRuns, 0);
  await monitor.close();
});

kernelTest('blocks may be released in any order, and once: the space comes back with the oldest', async (t) => {
  // Two blocks of a mebibyte leave half of the ring, so there is always a third, whatever else the machine does.
  const ringBytes = 4 << 20;
  const monitor = open(pinDirectory(t), ringBytes);
  const held: (() => void)[] = [];
  const stop = new AbortController();
  act();
  for await (const block of monitor.blocks(stop.signal)) {
    held.push(() => {
      block.release();
    });
    if (held.length === 3) break;
    act();
  }
  held.reverse().forEach((release) => {
    release();
    release();
  });
  let after = 0;
  // Ends where the space comes back; else the kernel drops what is done, and no block comes.
  while (after <= ringBytes) {
    act();
    for await (const block of monitor.blocks(stop.signal)) {
      after += block.bytes.length;
      block.release();
      break;
    }
  }
  t.true(after > ringBytes, 'more than the ring holds has gone through it');
  await drain(monitor);
  await monitor.close();
});

/** Some hundred events. */
function act(): void {
  for (let turn = 0; turn < 300; turn++) closeSync(openSync('/dev/null', 'r'));
}

kernelTest('a second monitor on the same directory is refused, and the first goes on', async (t) => {
  const directory = pinDirectory(t);
  const capture = openCapture(t, { pinDirectory: directory });
  const error = t.throws(() => open(directory), { instanceOf: KernelError });
  t.regex(error.message, /Another monitor uses this pin directory/);
  const { events } = await capture.run('/bin/true');
  t.true(events.length > 1);
});

kernelTest('pins of another version are discarded, and it is said which and why', async (t) => {
  const directory = pinDirectory(t);
  mkdirSync(join(directory, 'session-1'), { recursive: true });
  const create = (path: string, ...kind: string[]): void => {
    const result = spawnSync('bpftool', ['map', 'create', path, ...kind, 'entries', '1', 'name', 'other']);
    t.is(result.status, 0, String(result.stderr));
  };
  create(join(directory, 'session-1/info'), 'type', 'array', 'key', '4', 'value', '8');
  create(join(directory, 'registered'), 'type', 'hash', 'key', '4', 'value', '4');
  const monitor = open(directory);
  t.deepEqual(
    monitor.discarded.map(({ session }) => session),
    [1n, 0n],
  );
  t.regex(monitor.discarded[0]?.reason ?? '', /pinned by another version/);
  t.false(existsSync(join(directory, 'session-1')));
  monitor.registerProcess();
  await drain(monitor);
  await monitor.close();
});

kernelTest('containers stay over a start with another ring, but not where another hierarchy decides', async (t) => {
  const directory = pinDirectory(t);
  const key = new Uint8Array(new BigUint64Array([77n]).buffer);
  const isKnown = async (options: {
    readonly hierarchy: 'v2' | 'pids';
    readonly ringBytes: number;
  }): Promise<boolean> => {
    await using monitor = openMonitor({ pinDirectory: directory, ...options });
    const value = monitor.mapLookup('containers', key);
    if (value === undefined) monitor.mapUpdate('containers', key, new Uint8Array(containerBytes));
    monitor.detach();
    await drain(monitor);
    return value !== undefined;
  };
  t.false(await isKnown({ hierarchy: 'pids', ringBytes: 8 << 20 }));
  t.true(await isKnown({ hierarchy: 'pids', ringBytes: 1 << 20 }));
  t.false(await isKnown({ hierarchy: 'v2', ringBytes: 1 << 20 }), 'its ids are of other cgroups');
  t.true(await isKnown({ hierarchy: 'v2', ringBytes: 1 << 20 }));
});

kernelTest('a pin directory of another user, or one that others may write, is not trusted', (t) => {
  const directory = pinDirectory(t);
  // The root of a bpf file system is for everybody, so anybody may be there first.
  mkdirSync(directory, { mode: 0o700 });
  chownSync(directory, 65534, 65534);
  t.throws(() => open(directory), { instanceOf: KernelError, message: /belongs to another user/ });
  chownSync(directory, 0, 0);
  chmodSync(directory, 0o777);
  t.throws(() => open(directory), { instanceOf: KernelError, message: /others may write/ });
});

kernelTest('a directory that is not on a bpf file system is refused with the command that helps', (t) => {
  const directory = `/tmp/palisade-not-bpf-${process.pid}`;
  const error = t.throws(() => open(directory), { instanceOf: KernelError });
  t.is(error.code, 'KERNEL_REFUSED');
  t.regex(error.message, /is not on a bpf file system.*mount -t bpf bpf \/sys\/fs\/bpf/);
  t.false(existsSync(directory));
});

for (const { title, options } of [
  { title: 'a ring that is no power of two', options: { ringBytes: 5000 } },
  { title: 'a ring smaller than a page', options: { ringBytes: 1024 } },
  { title: 'a relative pin directory', options: { pinDirectory: 'pins' } },
]) {
  kernelTest(`${title} is refused before the kernel is asked`, (t) => {
    const all = { pinDirectory: '/sys/fs/bpf/unused', ringBytes: 4096, hierarchy: 'v2', ...options } as const;
    t.throws(() => openMonitor(all), { message: new RegExp(`^${Object.keys(options)[0] ?? ''} must be`) });
  });
}

kernelTest('a monitor whose worker is ended in mid-read takes its programs away and leaves its ring', async (t) => {
  const directory = pinDirectory(t);
  const sessions: bigint[] = [];
  for (let turn = 0; turn < 3; turn++) {
    const worker = new Worker(victim, { workerData: directory });
    const [line] = (await once(worker, 'message')) as [string];
    sessions.push(BigInt((JSON.parse(line) as { readonly session: string }).session));
    await worker.terminate();
  }
  const monitor = open(directory);
  t.deepEqual(
    monitor.predecessors.map(({ session }) => session),
    sessions,
  );
  await drain(monitor);
  await monitor.close();
});

kernelTest('two workers have a monitor each', async (t) => {
  const directories = [pinDirectory(t), `${pinDirectory(t)}-2`];
  t.teardown(() => {
    spawnSync('rm', ['-r', directories[1] ?? '']);
  });
  const workers = directories.map((directory) => new Worker(victim, { workerData: directory }));
  const lines = (await Promise.all(workers.map((worker) => once(worker, 'message')))) as [string][];
  await Promise.all(workers.map((worker) => worker.terminate()));
  t.is(new Set(lines.map(([line]) => (JSON.parse(line) as { readonly session: string }).session)).size, 2);
});

kernelTest('thirty restarts in one boot: no event has the identity of another', async (t) => {
  const directory = pinDirectory(t);
  const identities = new Set<string>();
  let count = 0;
  for (let turn = 0; turn < 30; turn++) {
    const monitor = open(directory);
    t.deepEqual(monitor.predecessors, []);
    spawnSync('/bin/true');
    for (const [session, events] of await drain(monitor)) {
      events.forEach((event) => identities.add(`${session}:${event}`));
      count += events.length;
    }
    await monitor.close();
  }
  t.true(count > 30);
  t.is(identities.size, count);
});
