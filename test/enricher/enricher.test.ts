import test from 'ava';
import { enricherStage } from '../../enricher/enricher.ts';
import type { OutputRecord } from '../../eventlog/event-log.ts';
import type { Coverage, EnrichedEventBatch, RawEventBatch, SocketAddress } from '../../schemas/generated.ts';
import { bytesOf, containerDescriptor, hostDescriptor, TestNode } from '../support/raw-batch.ts';
import { logRecord, valuesOf } from '../support/run-processor.ts';

/** An enricher that is fed raw batches, and what it gave for them. */
function feed(batches: readonly RawEventBatch[]): { enriched: EnrichedEventBatch[]; coverage: Coverage[] } {
  const processor = enricherStage().createProcessor(0);
  const outputs: OutputRecord[] = [];
  for (const batch of batches) outputs.push(...processor.process(logRecord('raw-events', batch.nodeId, batch)));
  return { enriched: valuesOf('enriched-events', outputs), coverage: valuesOf('coverage', outputs) };
}

/** The ancestry of the process of a batch's row, as text; a final `…` where it is incomplete. */
function ancestryOf(batch: EnrichedEventBatch | undefined, row: number): string {
  const event = batch?.raw.events.at(row);
  const ancestry = batch?.ancestries[batch.processAncestries[event?.process ?? -1] ?? -1];
  const names = ancestry?.ancestors.map(({ executable }) => new TextDecoder().decode(executable)) ?? ['none'];
  return [...names, ...(ancestry?.complete === true ? [] : ['…'])].join(' < ');
}

function commandLineOf(batch: EnrichedEventBatch | undefined, row: number): string {
  const event = batch?.raw.events.at(row);
  const line = batch?.commandLines[batch.processCommandLines[event?.process ?? -1] ?? -1];
  if (line === undefined) return 'unknown';
  return line.arguments.map((bytes) => new TextDecoder().decode(bytes)).join(' ') + (line.truncated ? '…' : '');
}

test('an event of a process made by fork and exec has every ancestor up to the first process', (t) => {
  const node = new TestNode();
  const init = node.process({ hostPid: 1, executable: '/sbin/init' });
  node.existing(init);
  const shell = node.fork(init);
  node.exec(shell, '/bin/bash');
  const child = node.fork(shell);
  node.exec(child, '/bin/cat', { arguments: ['cat', '/etc/passwd'] });
  node.open(child, '/etc/passwd');
  const { enriched } = feed([node.batch()]);
  t.is(ancestryOf(enriched[0], -1), '/bin/bash < /sbin/init');
  t.is(commandLineOf(enriched[0], -1), 'cat /etc/passwd');
});

test('what is done to sockets goes on with its addresses, and is somebody’s', (t) => {
  const node = new TestNode();
  const init = node.process({ hostPid: 1, executable: '/sbin/init' });
  node.existing(init);
  const server = node.fork(init);
  node.exec(server, '/usr/bin/server');
  const own = { family: 2, socketType: 1, protocol: 6, address: bytesOf('own'), port: 80, source: 'object' } as const;
  const peer = { ...own, address: bytesOf('peer'), port: 4000 };
  const refused = { ...peer, source: 'argument' } as const;
  const nothing = { ...own, address: bytesOf(''), port: 0 };
  node.onSocket('socket', server, nothing);
  node.onSocket('bind', server, own, { path: '/run/socket' });
  node.onSocket('listen', server, own);
  node.onSocket('accept', server, peer, { localAddress: own });
  node.onSocket('connect', server, refused, { returnValue: -111 });
  const [enriched] = feed([node.batch()]).enriched;
  const plain = (address: SocketAddress | undefined): object | undefined =>
    address && { ...address, address: Buffer.from(address.address).toString() };
  const rows = enriched?.raw.events.slice(-5) ?? [];
  t.deepEqual(
    rows.map(({ operation, address, localAddress }) => [
      operation,
      plain(enriched?.raw.addresses[address]),
      plain(enriched?.raw.addresses[localAddress]),
    ]),
    [
      ['socket', plain(nothing), undefined],
      ['bind', plain(own), undefined],
      ['listen', plain(own), undefined],
      ['accept', plain(peer), plain(own)],
      ['connect', plain(refused), undefined],
    ],
  );
  for (let row = -5; row < 0; row++) t.is(ancestryOf(enriched, row), '/sbin/init');
});

test('an ancestor that has exited stays in the ancestry of what it made, also when that was given another parent', (t) => {
  const node = new TestNode();
  const init = node.process({ hostPid: 1, executable: '/sbin/init' });
  node.existing(init);
  const launcher = node.fork(init, { executable: '/usr/bin/launcher' });
  const daemon = node.fork(launcher, { executable: '/usr/bin/daemon' });
  const first = node.batch();
  node.exit(launcher);
  daemon.parent = init;
  node.open(daemon, '/etc/hosts');
  const { enriched } = feed([first, node.batch()]);
  t.is(ancestryOf(enriched[1], -1), '/usr/bin/launcher < /sbin/init');
});

test('a process that ran before the monitor has the command line that /proc has', (t) => {
  const node = new TestNode();
  const server = node.process({ hostPid: 1, executable: '/usr/sbin/sshd' });
  node.existing(server, ['sshd', '-D']);
  node.open(server, '/etc/hosts');
  t.is(commandLineOf(feed([node.batch()]).enriched[0], -1), 'sshd -D');
});

test('a fork without exec is what its parent is, with its command line', (t) => {
  const node = new TestNode();
  const server = node.process({ hostPid: 1 });
  node.exec(server, '/usr/sbin/nginx', { arguments: ['nginx', '-g', 'daemon off;'] });
  const worker = node.fork(server);
  node.open(worker, '/etc/nginx.conf');
  const { enriched } = feed([node.batch()]);
  t.is(commandLineOf(enriched[0], -1), 'nginx -g daemon off;');
});

test('a process that runs another program without a seen exec has no command line', (t) => {
  const node = new TestNode();
  const process = node.process({ hostPid: 1 });
  node.exec(process, '/bin/sh', { arguments: ['sh', '-c', 'x'] });
  process.executable = '/bin/other';
  node.open(process, '/etc/hosts');
  const { enriched } = feed([node.batch()]);
  t.is(commandLineOf(enriched[0], -1), 'unknown');
});

test('a failed exec changes neither program nor command line', (t) => {
  const node = new TestNode();
  const process = node.process({ hostPid: 1 });
  node.exec(process, '/bin/sh', { arguments: ['sh'] });
  node.exec(process, '/no/such', { arguments: ['such'], returnValue: -2 });
  node.open(process, '/etc/hosts');
  const { enriched } = feed([node.batch()]);
  t.is(commandLineOf(enriched[0], -1), 'sh');
});

test('an ancestry that begins at a process that nothing told of says that it is incomplete', (t) => {
  const node = new TestNode();
  const unseen = node.process({ executable: '/usr/bin/unseen' });
  unseen.parent = node.process({ executable: '/usr/bin/further' });
  const child = node.process({ parent: unseen });
  node.open(child, '/etc/hosts');
  const { enriched } = feed([node.batch()]);
  t.is(ancestryOf(enriched[0], -1), '/usr/bin/unseen < …');
});

test('an ancestry that reaches pid 1 is complete, also where only its children told of it', (t) => {
  const node = new TestNode();
  const init = node.process({ hostPid: 1, executable: '/sbin/init' });
  node.open(node.process({ parent: init }), '/etc/hosts');
  t.is(ancestryOf(feed([node.batch()]).enriched[0], -1), '/sbin/init');
});

test('a pid that is used again is another process', (t) => {
  const node = new TestNode();
  const init = node.process({ hostPid: 1, executable: '/sbin/init' });
  const first = node.fork(init, { hostPid: 7, executable: '/bin/first' });
  node.exec(first, '/bin/first', { arguments: ['first'] });
  node.exit(first);
  const other = node.fork(init, { hostPid: 8, executable: '/bin/other' });
  const second = node.fork(other, { hostPid: 7, executable: '/bin/second' });
  node.open(second, '/etc/hosts');
  const { enriched } = feed([node.batch()]);
  t.is(ancestryOf(enriched[0], -1), '/bin/other < /sbin/init');
});

test('a descriptor holds for the batch it comes with and for later ones, until a higher version', (t) => {
  const node = new TestNode();
  const process = node.process({ containerCgroupId: 7n });
  const batches = [1, 2, 3, 4].map((version) => {
    node.open(process, '/etc/hosts');
    const containers =
      version === 2
        ? []
        : [containerDescriptor({ cgroupId: 7n, version: version === 4 ? 1 : version, name: `name-${version}` })];
    return node.batch({ containers });
  });
  const { enriched } = feed(batches);
  t.deepEqual(
    enriched.map((batch) => batch.containers.map(({ name }) => name)),
    [['name-1'], ['name-1'], ['name-3'], ['name-3']],
  );
});

test('a later session counts the versions of a descriptor from the beginning', (t) => {
  const node = new TestNode();
  const process = node.process({ containerCgroupId: 7n });
  node.open(process, '/a');
  const first = node.batch({ containers: [containerDescriptor({ cgroupId: 7n, version: 5, name: 'before' })] });
  node.beginSession(9_000_000_000n);
  node.open(process, '/b');
  const second = node.batch({ containers: [containerDescriptor({ cgroupId: 7n, version: 1, name: 'after' })] });
  t.is(feed([first, second]).enriched[1]?.containers[0]?.name, 'after');
});

test('a later session that has not asked the runtime yet keeps the name that was known', (t) => {
  const node = new TestNode();
  const process = node.process({ containerCgroupId: 7n });
  const known = containerDescriptor({ cgroupId: 7n, version: 2, name: 'web', labels: { app: 'shop' }, rootLinks: [] });
  node.open(process, '/a');
  const first = node.batch({ containers: [known] });
  node.beginSession(9_000_000_000n);
  node.open(process, '/b');
  const bare = containerDescriptor({ cgroupId: 7n, name: null, rootLinks: null });
  const { enriched } = feed([first, node.batch({ containers: [bare] })]);
  t.like(enriched[1]?.containers[0], { name: 'web', rootLinks: [] });
  t.is(enriched[1]?.containers[0]?.labels['app'], 'shop');
});

test('an executable that could not be read is taken for no other program', (t) => {
  const node = new TestNode();
  const parent = node.process({ hostPid: 1 });
  node.exec(parent, '/bin/sh', { arguments: ['sh'] });
  const child = node.fork(parent);
  parent.executable = '';
  child.executable = '';
  node.open(child, '/a');
  const { enriched } = feed([node.batch()]);
  t.is(ancestryOf(enriched[0], -1), '/bin/sh');
  t.is(commandLineOf(enriched[0], -1), 'sh');
});

test('a process in a container without a descriptor has none', (t) => {
  const node = new TestNode();
  node.open(node.process({ containerCgroupId: 7n }), '/a');
  const { enriched } = feed([node.batch({ containers: [hostDescriptor()] })]);
  t.deepEqual(enriched[0]?.processContainers, [-1]);
});

test('what Kubernetes says of a container takes effect where it comes, and ends with its tombstone', (t) => {
  const node = new TestNode();
  const process = node.process({ containerCgroupId: 7n });
  const descriptor = containerDescriptor({ cgroupId: 7n, containerId: 'c7', name: null, labels: { own: '1' } });
  const processor = enricherStage().createProcessor(0);
  const containers = [descriptor, undefined, undefined].map((given, place) => {
    if (place === 1) {
      const workload = { ...descriptor, name: 'web', labels: { app: 'shop' } };
      processor.update(logRecord('workloads', 'node-1/c7', workload));
    }
    if (place === 2) processor.update(logRecord('workloads', 'node-1/c7', undefined));
    node.open(process, '/a');
    const batch = node.batch({ containers: given === undefined ? [] : [given] });
    return valuesOf('enriched-events', [...processor.process(logRecord('raw-events', 'node-1', batch))])[0]
      ?.containers[0];
  });
  t.deepEqual(
    containers.map((container) => [container?.name, { ...container?.labels }]),
    [
      [null, { own: '1' }],
      ['web', { own: '1', app: 'shop' }],
      [null, { own: '1' }],
    ],
  );
});

test('rows that come again in another batch are left out, rows beside them are not', (t) => {
  const node = new TestNode();
  const process = node.process();
  node.open(process, '/1');
  node.open(process, '/2');
  const first = node.batch();
  node.open(process, '/3');
  const third = node.batch();
  const again: RawEventBatch = { ...third, batch: 2, strings: [...first.strings, bytesOf('/3')] };
  const file = { ...first.files[0], path: again.strings.length - 1 } as RawEventBatch['files'][number];
  const mixed: RawEventBatch = {
    ...first,
    batch: 2,
    strings: again.strings,
    files: [...first.files, file],
    events: [...first.events, ...third.events.map((event) => ({ ...event, file: 2 }))],
  };
  const { enriched } = feed([first, mixed, { ...mixed, batch: 3 }]);
  t.deepEqual(
    enriched.map((batch) => batch.raw.events.map(({ sequence }) => sequence)),
    [[1, 2], [3], []],
  );
});

test('rows of one CPU may come in another order than their numbers', (t) => {
  const node = new TestNode();
  const process = node.process();
  for (let count = 0; count < 5; count++) node.open(process, `/${count}`);
  const batch = node.batch();
  const { enriched } = feed([{ ...batch, events: [0, 2, 1, 4, 3, 2].flatMap((row) => batch.events[row] ?? []) }]);
  t.deepEqual(
    enriched[0]?.raw.events.map(({ sequence }) => sequence),
    [1, 3, 2, 5, 4],
  );
});

test('every raw batch gives exactly one enriched batch and one state record, an empty one too', (t) => {
  const node = new TestNode();
  const processor = enricherStage().createProcessor(0);
  const topics = [...processor.process(logRecord('raw-events', 'node-1', node.batch()))].map(({ topic }) => topic);
  t.deepEqual(topics, ['enricher-state', 'enriched-events']);
});

test('a batch that claims to be of another node than its key is left out, and coverage says so', (t) => {
  const node = new TestNode({ nodeId: 'victim' });
  node.open(node.process(), '/etc/hosts');
  const processor = enricherStage().createProcessor(0);
  const outputs = [...processor.process(logRecord('raw-events', 'liar', node.batch()))];
  t.true(outputs.every(({ key }) => key.startsWith('liar')));
  t.deepEqual(valuesOf('enriched-events', outputs)[0]?.raw.events, []);
  t.regex(valuesOf('coverage', outputs)[0]?.gaps[0]?.detail ?? '', /says it is of node victim/);
});

test('a boot that goes on after a later one began is reported', (t) => {
  const first = new TestNode({ bootId: 'boot-1' });
  const second = new TestNode({ bootId: 'boot-2', session: 5n });
  const { coverage } = feed([first.batch(), second.batch(), first.batch()]);
  t.regex(coverage[0]?.gaps[0]?.detail ?? '', /boot boot-1 goes on after a later boot/);
});

test('a session that ends late says nothing of containers that a later one has described', (t) => {
  const node = new TestNode({ session: 10n });
  const process = node.process({ containerCgroupId: 7n });
  const described = (name: string, version: number): RawEventBatch => {
    node.open(process, '/x');
    return node.batch({ containers: [containerDescriptor({ cgroupId: 7n, name, version })] });
  };
  const later = described('later', 1);
  node.beginSession(5n);
  const { enriched } = feed([later, described('earlier', 9)]);
  t.is(enriched[1]?.containers[0]?.name, 'later');
});

test('rows whose indexes lead nowhere pass without a process, and end nothing', (t) => {
  const node = new TestNode();
  node.exec(node.process(), '/bin/sh');
  const batch = node.batch();
  const wild = batch.events.map((event) => ({ ...event, process: 99, exec: 99, file: -7 }));
  const broken = { ...batch, events: wild };
  t.is(feed([broken]).enriched[0]?.raw.events.length, 1);
});

test('a node that says the largest and smallest numbers stops nothing', (t) => {
  const largest = 2n ** 63n - 1n;
  const most = Number.MAX_SAFE_INTEGER - 1;
  const node = new TestNode({ session: -largest });
  const process = node.process();
  node.fork(process);
  node.drop('open', 1);
  node.drop('open', 2);
  const batch = node.batch({ sessionEnded: true });
  const wild: RawEventBatch = {
    ...batch,
    batch: most,
    baseTimeNs: largest,
    wallClockOffsetNs: largest,
    events: batch.events.map((event) => ({ ...event, timeNs: most, childStartTimeNs: most, sequence: most })),
    processes: batch.processes.map((context) => ({ ...context, hostPid: 2 ** 31 - 1, hostPpid: -(2 ** 31) })),
    counters: batch.counters.map((counter) => ({ ...counter, seen: most, dropped: most, submitted: -most })),
    gaps: [{ reason: 'ringLost', fromTimeNs: largest, toTimeNs: -largest, lost: most, detail: '' }],
  };
  t.is(feed([wild, { ...wild, sessionEnded: false }, wild]).enriched.length, 3);
});

test('rows of CPUs that no kernel has are left out and reported, so that a node cannot grow without a bound', (t) => {
  const node = new TestNode();
  const process = node.process();
  for (let row = 0; row < 20_000; row++) node.open(process, '/x', { cpu: row - 5 });
  const { enriched, coverage } = feed([node.batch()]);
  t.is(enriched[0]?.raw.events.length, 8_193);
  t.is(coverage[0]?.cpus.length, 8_193);
  t.like(coverage[0]?.gaps[0], { reason: 'unknown', lost: 20_000 - 8_193 });
});

test('an ancestry has what an ancestor runs at that row, also where it began another program within the batch', (t) => {
  const node = new TestNode();
  const init = node.process({ hostPid: 1, executable: '/sbin/init' });
  node.existing(init);
  const above = node.fork(init);
  node.exec(above, '/bin/before');
  const parent = node.fork(above);
  node.exec(parent, '/bin/parent');
  const first = node.fork(parent);
  node.open(first, '/x');
  node.exec(above, '/bin/after');
  const second = node.fork(parent);
  node.open(second, '/x');
  const { enriched } = feed([node.batch()]);
  t.is(ancestryOf(enriched[0], -1), '/bin/parent < /bin/after < /sbin/init');
  t.is(ancestryOf(enriched[0], 6), '/bin/parent < /bin/before < /sbin/init');
});
