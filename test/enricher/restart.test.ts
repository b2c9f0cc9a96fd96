import fc from 'fast-check';
import test from 'ava';
import { maxContainers } from '../../enricher/container-table.ts';
import { enricherStage } from '../../enricher/enricher.ts';
import { bytesOf } from '../../enricher/process-node.ts';
import { stateSlots } from '../../enricher/node-state.ts';
import { maxAncestors, maxAncestryBytes, maxExitedLeaves, maxProcesses } from '../../enricher/process-tree.ts';
import type { OutputRecord } from '../../eventlog/event-log.ts';
import type { RawEventBatch } from '../../schemas/generated.ts';
import { live, steps } from '../support/random-node.ts';
import { containerDescriptor, TestNode } from '../support/raw-batch.ts';
import { asRead, encodedValue, fingerprint, logRecord, valuesOf } from '../support/run-processor.ts';

/** Everything an enricher gives for `batches`; before each batch in `restarts` another one takes over. */
function run(
  batches: readonly RawEventBatch[],
  options: { restarts?: ReadonlySet<number>; compacted?: boolean } = {},
): OutputRecord[] {
  let processor = enricherStage().createProcessor(0);
  const outputs: OutputRecord[] = [];
  for (const [index, batch] of batches.entries()) {
    if (options.restarts?.has(index) === true) {
      processor = enricherStage().createProcessor(0);
      let state = outputs.filter(({ topic }) => topic === 'enricher-state');
      if (options.compacted === true) {
        const last = new Map(state.map((output) => [output.key, output]));
        state = state.filter((output) => last.get(output.key) === output);
      }
      for (const output of state) processor.restore(asRead(output));
    }
    outputs.push(...processor.process(logRecord('raw-events', batch.nodeId, batch)));
  }
  return outputs;
}

for (const compacted of [false, true]) {
  test(`a restart anywhere changes no output, with the state topic ${compacted ? 'compacted' : 'whole'}`, (t) => {
    const property = fc.property(steps, fc.array(fc.nat(40), { maxLength: 4 }), (taken, restarts) => {
      const batches = live('node-1', taken);
      const straight = fingerprint(run(batches));
      t.deepEqual(fingerprint(run(batches, { restarts: new Set(restarts), compacted })), straight);
    });
    fc.assert(property, { numRuns: 150 });
  });
}

test('a restart after more batches than there are slots finds everything in the last record of each', (t) => {
  const node = new TestNode();
  const init = node.process({ hostPid: 1, executable: '/sbin/init' });
  const shell = node.fork(init, { containerCgroupId: 9n });
  node.exec(shell, '/bin/dash', { arguments: ['dash', '-i'] });
  const batches = [node.batch({ containers: [containerDescriptor({ cgroupId: 9n, name: 'web' })] })];
  for (let count = 0; count < 3 * stateSlots; count++) {
    const child = node.fork(shell, { cpu: count % 7 });
    node.exit(child, { cpu: count % 5 });
    batches.push(node.batch());
  }
  const late = node.fork(shell);
  node.open(late, '/etc/hosts');
  batches.push(node.batch({ sessionEnded: true }));
  const straight = run(batches);
  const restarted = run(batches, { restarts: new Set([batches.length - 1]), compacted: true });
  t.deepEqual(fingerprint(restarted), fingerprint(straight));
  const last = valuesOf('enriched-events', restarted).at(-1);
  t.is(last?.containers[0]?.name, 'web');
  t.deepEqual(
    last?.ancestries.at(-1)?.ancestors.map(({ executable }) => new TextDecoder().decode(executable)),
    ['/bin/dash', '/sbin/init'],
  );
});

test('a boot that goes on after a later one began is reported also after a restart', (t) => {
  const first = new TestNode({ bootId: 'boot-1' });
  const second = new TestNode({ bootId: 'boot-2' });
  const outputs = run([first.batch(), second.batch(), first.batch()], { restarts: new Set([2]) });
  t.regex(valuesOf('coverage', outputs).at(-1)?.gaps[0]?.detail ?? '', /boot boot-1 goes on/);
});

test('what one node does changes nothing of another', (t) => {
  const property = fc.property(steps, steps, fc.array(fc.boolean(), { maxLength: 80 }), (first, second, order) => {
    const one = live('node-1', first);
    const other = live('node-2', second);
    const alone = fingerprint(run(one));
    const rest = [...other];
    const mixed = one.flatMap((batch, index) => [...(order[index] === true ? rest.splice(0, 2) : []), batch]);
    const outputs = run([...mixed, ...rest]).filter(({ key }) => key.startsWith('node-1'));
    t.deepEqual(fingerprint(outputs), alone);
  });
  fc.assert(property, { numRuns: 100 });
});

/** A node whose processes fork and exit by the thousand, in batches of a thousand rows. */
function manyProcesses(count: number, options: { exit: boolean }): RawEventBatch[] {
  const node = new TestNode();
  const init = node.process({ hostPid: 1, executable: '/sbin/init' });
  const batches: RawEventBatch[] = [];
  for (let made = 0; made < count; made++) {
    const child = node.fork(init);
    if (options.exit) node.exit(child);
    if (made % 1_000 === 999) batches.push(node.batch());
  }
  return [...batches, node.batch({ counters: true })];
}

test('living processes beyond the limit are forgotten and counted', (t) => {
  const coverage = valuesOf('coverage', run(manyProcesses(maxProcesses + 500, { exit: false })));
  t.is(coverage.at(-1)?.evictedProcesses, 501);
});

test('long programs and arguments are forgotten earlier, so that no state record outgrows the log', (t) => {
  const node = new TestNode();
  const init = node.process({ hostPid: 1, executable: '/sbin/init' });
  const batches: RawEventBatch[] = [];
  for (let made = 0; made < 4_000; made++) {
    // All in one share of the state.
    const child = node.fork(init, { hostPid: 64 * (made + 1) });
    node.exec(child, `/${made}`.padEnd(4_000, 'x'), { arguments: [`${made}`.padEnd(2_000, 'y')] });
    if (made % 400 === 399) batches.push(node.batch());
  }
  for (let count = 0; count < stateSlots; count++) batches.push(node.batch({ counters: true }));
  const outputs = run(batches);
  const bytes = outputs.map((output) => encodedValue(output)?.length ?? 0);
  t.true(Math.max(...bytes) < 16 * 1024 * 1024, `${Math.max(...bytes)} bytes`);
  t.true((valuesOf('coverage', outputs).at(-1)?.evictedProcesses ?? 0) > 1_000);
  const restarted = run(batches, { restarts: new Set([7, 11]), compacted: true });
  t.deepEqual(fingerprint(restarted), fingerprint(outputs));
});

test('arguments take no more of a state record than the tree counts for them, however short they are', (t) => {
  const node = new TestNode();
  const init = node.process({ hostPid: 1, executable: '/sbin/init' });
  const processes = 500;
  const each = 200;
  // All in one share of the state; three bytes each, no two of them equal.
  for (let made = 0; made < processes; made++) {
    const child = node.fork(init, { hostPid: 64 * (made + 1) });
    const values = Array.from({ length: each }, (_, index) => short(made * each + index));
    node.exec(child, '/x', { arguments: values });
  }
  const [state] = run([node.batch()]).filter(({ topic }) => topic === 'enricher-state');
  const counted = bytesOf({
    executable: new Uint8Array(3),
    arguments: new Array<Uint8Array>(each).fill(new Uint8Array(3)),
  });
  const bytes = state === undefined ? Infinity : (encodedValue(state)?.length ?? 0);
  t.true(bytes < processes * (counted + 64), `${bytes} bytes for ${processes} of ${counted}`);
});

test('processes that one batch tells of and that are forgotten with it leave nothing in the state', (t) => {
  const node = new TestNode();
  const init = node.process({ hostPid: 1, executable: '/sbin/init' });
  for (let made = 0; made < maxProcesses + 5_000; made++) node.fork(init);
  const outputs = run([node.batch({ counters: true })]);
  t.is(valuesOf('coverage', outputs)[0]?.evictedProcesses, 5_001);
  t.deepEqual(valuesOf('enricher-state', outputs)[0]?.removedProcesses, []);
});

/** Three bytes that stand for a number below 2^21. */
function short(number: number): string {
  return String.fromCharCode(number & 127, (number >> 7) & 127, number >> 14);
}

test('an ancestry ends where it becomes too long, and says so', (t) => {
  for (const executable of ['/bin/short', '/'.padEnd(4_000, 'x')]) {
    const node = new TestNode();
    let process = node.process({ hostPid: 1, executable });
    for (let depth = 0; depth < maxAncestors + 10; depth++) process = node.fork(process);
    node.open(process, '/x');
    const last = valuesOf('enriched-events', run([node.batch()]))
      .at(-1)
      ?.ancestries.at(-1);
    t.is(last?.ancestors.length, Math.min(maxAncestors, Math.floor(maxAncestryBytes / executable.length)));
    t.false(last?.complete);
  }
});

test('exited processes are forgotten without being counted, all but the latest', (t) => {
  const batches = manyProcesses(maxExitedLeaves + 2_976, { exit: true });
  const straight = run(batches);
  t.is(valuesOf('coverage', straight).at(-1)?.evictedProcesses, 0);
  const rows = valuesOf('enricher-state', straight).at(-1)?.processes.length ?? 0;
  t.true(rows <= maxExitedLeaves / stateSlots + 2, `${rows} rows`);
  t.deepEqual(fingerprint(run(batches, { restarts: new Set([2, 3]), compacted: true })), fingerprint(straight));
});

test('descriptors beyond the limit are forgotten, those in use last', (t) => {
  const node = new TestNode();
  const process = node.process({ containerCgroupId: 1n });
  node.open(process, '/x');
  const batches: RawEventBatch[] = [node.batch({ containers: [containerDescriptor({ cgroupId: 1n })] })];
  for (let first = 2; first < maxContainers + 100; first += 1_000) {
    const containers = Array.from({ length: 1_000 }, (_, index) =>
      containerDescriptor({ cgroupId: BigInt(first + index) }),
    );
    batches.push(node.batch({ containers }));
  }
  node.open(process, '/y');
  node.open(node.process({ containerCgroupId: 2n }), '/z');
  batches.push(node.batch({ counters: true }));
  const outputs = run(batches);
  const last = valuesOf('enriched-events', outputs).at(-1);
  t.deepEqual(last?.processContainers, [0, -1]);
  t.is(valuesOf('coverage', outputs).at(-1)?.evictedContainers, 0);
});

test('descriptors with long labels are forgotten earlier, so that no state record outgrows the log', (t) => {
  const node = new TestNode();
  const batches: RawEventBatch[] = [];
  for (let made = 1; made <= 30; made++) {
    // All in one share of the state.
    const labels = { long: `${made}`.padEnd(1024 * 1024, 'x') };
    batches.push(node.batch({ containers: [containerDescriptor({ cgroupId: BigInt(64 * made), labels })] }));
  }
  node.open(node.process({ containerCgroupId: 64n * 30n }), '/x');
  node.open(node.process({ containerCgroupId: 64n }), '/x');
  batches.push(node.batch());
  const outputs = run(batches);
  const bytes = outputs.map((output) => encodedValue(output)?.length ?? 0);
  t.true(Math.max(...bytes) < 8 * 1024 * 1024, `${Math.max(...bytes)} bytes`);
  t.deepEqual(valuesOf('enriched-events', outputs).at(-1)?.processContainers, [0, -1]);
  t.deepEqual(fingerprint(run(batches, { restarts: new Set([3, 11, 29]) })), fingerprint(outputs));
});
