import test from 'ava';
import path from 'node:path';
import { excerptOfContainer } from '../../cli/demo/excerpt.ts';
import { readRecording, rebased, writeRecording, type Playing } from '../../cli/demo/recording.ts';
import type { RawEventBatch } from '../../schemas/generated.ts';
import { containerDescriptor, hostDescriptor, TestNode } from '../support/raw-batch.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const playing: Playing = {
  nodeId: 'node-9-recording',
  bootId: 'boot-9',
  session: 77n,
  startTimeNs: 9_000_000_000n,
  wallClockOffsetNs: 1n,
};

/** A host process and two containers, of which only `demo` is to be shown; the descriptors come in an earlier batch. */
function threeTargets(): readonly RawEventBatch[] {
  const node = new TestNode();
  const host = node.process({ executable: '/home/someone/secret-tool' });
  const demo = node.process({ executable: '/usr/bin/dash', containerCgroupId: 5n });
  const other = node.process({ executable: '/usr/bin/other', containerCgroupId: 6n });
  const containers = [
    hostDescriptor(),
    containerDescriptor({ cgroupId: 5n, containerId: 'demo' }),
    containerDescriptor({ cgroupId: 6n, containerId: 'other' }),
  ];
  const first = node.batch({ containers, counters: true });
  node.open(host, '/home/someone/secret');
  node.open(demo, '/etc/shadow');
  node.open(other, '/var/other');
  node.exec(demo, '/usr/bin/ls', { arguments: ['ls', '/'] });
  return [first, node.batch({ counters: true })];
}

async function collect(batches: AsyncIterable<RawEventBatch>): Promise<readonly RawEventBatch[]> {
  const all: RawEventBatch[] = [];
  for await (const batch of batches) all.push(batch);
  return all;
}

test('an excerpt has the acts of its container, in a row, and the descriptors ahead of them', (t) => {
  const [batch, ...rest] = excerptOfContainer(threeTargets(), 'demo');
  t.deepEqual(rest, []);
  t.deepEqual(
    batch?.events.map((event) => [event.operation, event.cpu, event.sequence]),
    [
      ['open', 0, 1],
      ['exec', 0, 2],
    ],
  );
  t.deepEqual(batch?.sequences, [{ cpu: 0, first: 1, last: 2, count: 2 }]);
  t.deepEqual(
    batch?.containers.map((descriptor) => descriptor.containerId),
    ['', 'demo'],
  );
});

test('an excerpt holds not one byte of the host or of other containers', (t) => {
  const [batch] = excerptOfContainer(threeTargets(), 'demo');
  const strings = (batch?.strings ?? []).map((bytes) => Buffer.from(bytes).toString());
  t.true(strings.includes('/etc/shadow'));
  t.false(strings.some((text) => text.includes('secret') || text.includes('other')));
  t.false(batch?.containers.some((descriptor) => descriptor.host?.hostName === 'test-host'));
});

test('what is written is what is read', async (t) => {
  const file = path.join(temporaryDirectory(t), 'recording.avro');
  const batches = excerptOfContainer(threeTargets(), 'demo');
  await writeRecording(file, { policies: [], batches });
  t.deepEqual(plain(await collect(readRecording(file))), plain(batches));
});

/** A value with the same shape whatever kind of bytes and numbers it was made of. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, plainJson));
}

/** Bytes of any kind as hexadecimal, bigints as text: comparable. */
function plainJson(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return `${value}n`;
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (typeof value === 'object' && value !== null && 'type' in value && value.type === 'Buffer' && 'data' in value)
    return Buffer.from(value.data as number[]).toString('hex');
  return value;
}

test('a file that is no recording is refused, not read as empty', async (t) => {
  await t.throwsAsync(collect(readRecording(new URL(import.meta.url).pathname)));
});

test('a recording is played as another node, in a session of its own, and marked', (t) => {
  const [batch] = threeTargets();
  if (batch === undefined) return t.fail();
  const played = rebased(batch, batch.baseTimeNs, playing);
  t.like(played, { nodeId: 'node-9-recording', bootId: 'boot-9', session: 77n, origin: 'recording' });
});

test('acts and starts of processes keep their distances when a recording is played', (t) => {
  const batches = threeTargets();
  const firstTimeNs = batches[0]?.baseTimeNs ?? 0n;
  for (const batch of batches) {
    const played = rebased(batch, firstTimeNs, playing);
    t.is(played.baseTimeNs - playing.startTimeNs, batch.baseTimeNs - firstTimeNs);
    for (const [place, process] of batch.processes.entries()) {
      const startTimeNs = played.processes[place]?.startTimeNs ?? 0n;
      t.is(startTimeNs - played.baseTimeNs, process.startTimeNs - batch.baseTimeNs);
    }
  }
});
