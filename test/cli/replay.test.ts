import { readFileSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { alertJsonLine } from '../../cli/alert-json.ts';
import { jsonLinesSink } from '../../cli/json-lines-sink.ts';
import { pipeline } from '../../cli/roles.ts';
import { enricherStage } from '../../enricher/enricher.ts';
import { CaptureEventLog } from '../../eventlog/capture.ts';
import type { OutputRecord } from '../../eventlog/event-log.ts';
import { MemoryEventLog } from '../../eventlog/memory.ts';
import { ReplayLog, type ReplayLogOptions } from '../../eventlog/replay-log.ts';
import { runStages, type Stage } from '../../eventlog/runner.ts';
import { matcherStage } from '../../matcher/matcher.ts';
import { recordsAfter, writeCapture } from '../support/capture.ts';
import { policyDocuments, policyKey } from '../support/policy-document.ts';
import { live, steps } from '../support/random-node.ts';
import { containerDescriptor, hostDescriptor, TestNode } from '../support/raw-batch.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { quietly, unprepared } from '../eventlog/toy.ts';

/** A host policy that tells of opens below a folder, and a container policy for one name. */
function policies(names: readonly { readonly name: string; readonly folder: string }[]): OutputRecord[] {
  const text = names
    .map(
      ({ name, folder }) => `
apiVersion: security.kubearmor.com/v1
kind: KubeArmorHostPolicy
metadata:
  name: ${name}
spec:
  nodeSelector:
    matchLabels:
      kubearmor.io/hostname: '*'
  process:
    matchDirectories:
      - dir: /usr/
        recursive: true
      - dir: /bin/
        recursive: true
  file:
    matchDirectories:
      - dir: ${folder}
        recursive: true
  action: Audit
---
apiVersion: security.kubearmor.com/v1
kind: KubeArmorPolicy
metadata:
  name: ${name}
  namespace: container_namespace
spec:
  selector:
    matchLabels:
      kubearmor.io/container.name: name-2
  process:
    matchPaths:
      - path: /usr/bin/ls
      - path: /bin/busybox
  file:
    matchDirectories:
      - dir: ${folder}
        recursive: true
  action: Audit
`,
    )
    .join('---\n');
  return policyDocuments(text).map((document) => ({ topic: 'policies', key: policyKey(document), value: document }));
}

function removed({ key }: OutputRecord): OutputRecord {
  return { topic: 'policies', key, value: undefined };
}

/** Alerts of a replay, as lines. */
async function replayed(
  file: string,
  options: Partial<Pick<ReplayLogOptions, 'batchRecords' | 'policies'>> = {},
): Promise<{ readonly lines: string; readonly log: ReplayLog }> {
  await using capture = await CaptureEventLog.open(file);
  await using outputs = new MemoryEventLog();
  const ended = new AbortController();
  const onEnd = (): void => {
    ended.abort();
  };
  await using log = new ReplayLog({ capture, outputs, kept: ['alerts'], onEnd, ...options });
  await runStages([pipeline({ keepsState: false })], log, quietly(), ended.signal);
  return { lines: await alertLines(outputs), log };
}

async function alertLines(log: MemoryEventLog): Promise<string> {
  const lines: string[] = [];
  const { signal } = new AbortController();
  for await (const record of log.read({ topics: ['alerts'], from: 'start', follow: false, signal })) {
    if (record.topic === 'alerts' && record.value !== undefined) lines.push(`${alertJsonLine(record.value)}\n`);
  }
  return lines.join('');
}

/** As `palisade up` would have judged it, by these stages on a log that has everything. */
async function judged(appends: readonly (readonly OutputRecord[])[], stages: readonly Stage[]): Promise<string> {
  await using log = new MemoryEventLog();
  for (const records of appends) await log.append(records);
  // Everything is there, so draining does all of it.
  await runStages(stages, log, quietly(), AbortSignal.abort());
  return await alertLines(log);
}

/** Two nodes' lives, mixed, with policies that change among them. */
const histories = fc
  .tuple(
    fc.tuple(steps, steps).map((parts) => parts.flat()),
    steps,
    fc.array(
      fc.record({ at: fc.nat(60), name: fc.constantFrom('p', 'q'), folder: fc.constantFrom('/data/', '/opt/', '') }),
      {
        maxLength: 6,
      },
    ),
  )
  .map(([first, second, changes]) => {
    const appends: OutputRecord[][] = [policies([{ name: 'p', folder: '/data/' }])];
    const lives = [live('node-1', first), live('node-2', second)];
    for (let place = 0; place < Math.max(...lives.map(({ length }) => length)); place++) {
      for (const { name, folder } of changes.filter(({ at }) => at === place)) {
        const made = policies([{ name, folder: folder === '' ? '/' : folder }]);
        appends.push(folder === '' ? made.map(removed) : made);
      }
      for (const batches of lives) {
        const batch = batches[place];
        if (batch === undefined) continue;
        const containers = place === 0 ? [hostDescriptor(), ...batch.containers] : batch.containers;
        const value = { ...batch, containers };
        appends.push([{ topic: 'raw-events', key: value.nodeId, value }]);
      }
    }
    return appends;
  });

test('replays are the same to the byte, whatever the batches, and as the flow judged it, chained or apart', async (t) => {
  const file = join(temporaryDirectory(t), 'capture.avro');
  let alerts = 0;
  const property = fc.asyncProperty(histories, fc.integer({ min: 1, max: 40 }), async (appends, batchRecords) => {
    await writeCapture(file, await recordsAfter(appends));
    const { lines } = await replayed(file);
    alerts += lines.split('\n').length - 1;
    t.is((await replayed(file, { batchRecords })).lines, lines);
    t.is((await replayed(file, { batchRecords: 1 })).lines, lines);
    t.is(await judged(appends, [pipeline()]), lines);
    t.is(await judged(appends, [enricherStage(), matcherStage()]), lines);
  });
  await fc.assert(property, { numRuns: 30 });
  t.true(alerts > 50, `${alerts} alerts were compared`);
});

/** A container whose name becomes known in mid-stream, and policies that come, change and go. */
function story(): OutputRecord[][] {
  const node = new TestNode();
  const host = node.process({ executable: '/usr/bin/bash' });
  const web = node.process({ executable: '/usr/bin/nginx', containerCgroupId: 7n });
  const raw = (options: Parameters<TestNode['batch']>[0] = {}): OutputRecord => {
    const value = node.batch(options);
    return { topic: 'raw-events', key: value.nodeId, value };
  };
  const acts = (): void => {
    node.open(host, '/data/secret');
    node.open(web, '/data/secret');
    node.exec(web, '/usr/bin/ls');
  };
  acts();
  const first = raw({ containers: [hostDescriptor(), containerDescriptor({ cgroupId: 7n, name: null })] });
  acts();
  const second = raw();
  acts();
  const third = raw({ containers: [containerDescriptor({ cgroupId: 7n, version: 2, name: 'name-2' })] });
  acts();
  const fourth = raw();
  const p = policies([{ name: 'p', folder: '/data/' }]);
  const gone = p.map(removed);
  return [[first], p, [second], [third], gone, [fourth]];
}

/** Which policy told of what, in order. */
function shortly(lines: string): readonly string[] {
  return lines
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as { ContainerName?: string; Resource: string; Palisade: { sequence: number } })
    .map(({ ContainerName, Resource, Palisade }) => `${Palisade.sequence} ${ContainerName ?? 'host'} ${Resource}`);
}

async function storyFile(t: ExecutionContext): Promise<string> {
  const file = join(temporaryDirectory(t), 'capture.avro');
  await writeCapture(file, await recordsAfter(story()));
  return file;
}

test('recorded policies and descriptors take effect at their places', async (t) => {
  const { lines, log } = await replayed(await storyFile(t));
  t.deepEqual(shortly(lines), [
    '4 host /data/secret',
    '7 host /data/secret',
    '8 name-2 /data/secret',
    '9 name-2 /usr/bin/ls',
  ]);
  t.is(log.progress.events, 12);
  t.is(log.progress.outputs.get('alerts'), 4);
  t.is(log.progress.bytesRead, log.progress.bytes);
});

test('policies that are given apply before the first event, and the recorded ones not at all', async (t) => {
  const given = await recordsAfter([policies([{ name: 'mine', folder: '/data/' }])]);
  const { lines } = await replayed(await storyFile(t), { policies: given });
  t.deepEqual(
    shortly(lines),
    ['1', '4', '7']
      .map((sequence) => `${sequence} host /data/secret`)
      .concat([
        '8 name-2 /data/secret',
        '9 name-2 /usr/bin/ls',
        '10 host /data/secret',
        '11 name-2 /data/secret',
        '12 name-2 /usr/bin/ls',
      ]),
  );
  t.is((await replayed(await storyFile(t), { policies: [] })).lines, '', 'none given: nothing is forbidden');
});

test('with the state ahead of them, events in mid-stream know what came before', async (t) => {
  const all = await recordsAfter(story());
  await using log = new MemoryEventLog();
  for (const records of story().slice(0, 4)) await log.append(records);
  await runStages([pipeline()], log, quietly(), AbortSignal.abort());
  const { records: state } = await log.table('enricher-state');
  const file = join(temporaryDirectory(t), 'capture.avro');
  const known = state.map((record) =>
    record.topic === 'enricher-state' && record.value !== undefined
      ? { ...record, value: { ...record.value, sessions: [], cpus: [] } }
      : record,
  );
  const late = all.filter(({ topic, offset }) => topic === 'raw-events' && offset === 3);
  await writeCapture(file, [
    ...known,
    ...all.filter(({ topic, value }) => topic === 'policies' && value !== undefined),
    ...late,
  ]);
  t.deepEqual(shortly((await replayed(file)).lines), [
    '10 host /data/secret',
    '11 name-2 /data/secret',
    '12 name-2 /usr/bin/ls',
  ]);
});

test('a damaged capture is judged up to the damage', async (t) => {
  const file = join(temporaryDirectory(t), 'capture.avro');
  // Blocks of their own: each batch with a string that does not compress into the next one's block.
  const node = new TestNode();
  const host = node.process({ executable: '/usr/bin/bash' });
  const appends: OutputRecord[][] = [policies([{ name: 'p', folder: '/data/' }])];
  for (let place = 0; place < 6; place++) {
    node.open(host, '/data/secret');
    node.open(host, `/else/${'x'.repeat(150_000)}`);
    const value = node.batch(place === 0 ? { containers: [hostDescriptor()] } : {});
    appends.push([{ topic: 'raw-events', key: value.nodeId, value }]);
  }
  await writeCapture(file, await recordsAfter(appends));
  const whole = await replayed(file);
  t.is(shortly(whole.lines).length, 6);
  truncateSync(file, readFileSync(file).length - 10);
  const { lines, log } = await replayed(file);
  t.is(shortly(lines).length, 5);
  t.true(whole.lines.startsWith(lines));
  t.is(log.damage?.recordsBefore, 7);
});

test('reading waits for a sink that is slow, and nothing is lost by it', async (t) => {
  const file = join(temporaryDirectory(t), 'capture.avro');
  const node = new TestNode();
  const host = node.process({ executable: '/usr/bin/bash' });
  const appends: OutputRecord[][] = [policies([{ name: 'p', folder: '/data/' }])];
  for (let batch = 0; batch < 50; batch++) {
    for (let event = 0; event < 1000; event++) node.open(host, '/data/secret');
    const value = node.batch(batch === 0 ? { containers: [hostDescriptor()] } : {});
    appends.push([{ topic: 'raw-events', key: value.nodeId, value }]);
  }
  await writeCapture(file, await recordsAfter(appends));
  await using capture = await CaptureEventLog.open(file);
  await using outputs = new MemoryEventLog();
  const ended = new AbortController();
  let made = 0;
  let written = 0;
  let madeWhileHeld = 0;
  await using log = new ReplayLog({
    capture,
    outputs,
    kept: ['alerts'],
    batchRecords: 1,
    onProgress: (progress) => {
      made = progress.outputs.get('alerts') ?? 0;
    },
    onEnd: () => {
      ended.abort();
    },
  });
  const slow: Stage = {
    name: 'slow',
    input: 'alerts',
    prepare: unprepared(async (records) => {
      // The first write takes until reading stands still.
      while (madeWhileHeld === 0) {
        const before = made;
        await new Promise((resolve) => setTimeout(resolve, 500));
        if (made > 20_000 && made === before) madeWhileHeld = made;
      }
      written += records.length;
    }),
  };
  await runStages([pipeline(), slow], log, quietly(), ended.signal);
  t.is(made, 50_000);
  t.is(written, 50_000);
  t.true(madeWhileHeld <= 21_000, `${madeWhileHeld} were made while none was written`);
});

test('alerts as JSON lines have every field, numbers of 64 bits as text, and nothing that steers a terminal', async (t) => {
  const file = join(temporaryDirectory(t), 'alerts.jsonl');
  const { lines } = await replayed(await storyFile(t));
  const [line = ''] = lines.split('\n');
  t.like(JSON.parse(line), {
    Operation: 'File',
    Resource: '/data/secret',
    Palisade: { resource: '/data/secret', timeUnixNs: '1700000002000006000', rule: { policyName: 'p' } },
  });
  await using sink = await jsonLinesSink(file, t.fail);
  t.is(sink.stage.input, 'alerts');
  await t.throwsAsync(jsonLinesSink(join(file, 'none'), t.fail), { message: /ENOTDIR/u });
});
