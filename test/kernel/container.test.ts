import { execFile } from 'node:child_process';
import { chownSync, copyFileSync, mkdirSync, mkdtempSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import { decidingHierarchy } from '../../collector/cgroup-hierarchy.ts';
import { collectorOptions, startCollector, type CollectedEvent } from '../support/collector-run.ts';
import { eventually } from '../support/eventually.ts';
import { whyNoKernelTests } from '../support/kernel-capture.ts';
import { removeCgroup } from '../support/remove-cgroup.ts';
import { Containers, where, whyNoContainers } from '../support/runc-container.ts';

const reason = whyNoKernelTests() ?? whyNoContainers();
const kernelTest = reason === undefined ? test.serial : test.serial.skip;
if (reason !== undefined) console.log(`skipped: ${reason}`);

const run = promisify(execFile);

function cgroupOf(path: string): bigint {
  return statSync(decidingHierarchy().mountPoint + path, { bigint: true }).ino;
}

/** A directory of the deciding hierarchy for this test, removed at its end with those beneath it. */
function makeCgroup(t: ExecutionContext, path: string): string {
  const directory = decidingHierarchy().mountPoint + path;
  mkdirSync(directory);
  t.teardown(async () => {
    await removeCgroup(directory);
  });
  return directory;
}

/** Runs `script` by a shell of the host that has put itself into the cgroup first. */
async function runIn(directory: string, script: string): Promise<string> {
  const { stdout } = await run('/bin/sh', ['-c', `echo $$ > ${directory}/cgroup.procs; ${script}`]);
  return stdout;
}

const isExecOf =
  (...args: readonly string[]) =>
  (event: CollectedEvent): boolean =>
    event.row.operation === 'exec' && args.every((argument, index) => event.arguments[index] === argument);

kernelTest('a plain runc container started before the collector is known, with its processes', async (t) => {
  await using containers = new Containers();
  const id = `palisade-before-${process.pid}`;
  await containers.start(id, { args: ['/bin/sleep', '1000'] });
  await using collector = await startCollector(collectorOptions(t));
  const cgroup = cgroupOf(`/${id}`);

  const existing = await collector.arrived(
    ({ row, arguments: args }) => row.operation === 'existing' && args[1] === '1000',
  );
  t.is(existing.process.containerCgroupId, cgroup);
  t.is(existing.row.cpu, -1);
  t.is(existing.container?.containerId, id);
  t.is(existing.container?.idSource, 'runtimeState');
  t.is(existing.container?.runtime, 'runc');
  t.is(existing.container?.name, id);
  t.is(existing.container?.labels['kubearmor.io/container.name'], id);

  await containers.exec(id, ['/bin/true', 'in']);
  const executed = await collector.arrived(isExecOf('/bin/true', 'in'));
  t.is(executed.process.containerCgroupId, cgroup);
  t.is(executed.path, '/bin/true');
  await collector.stop();
});

kernelTest(
  'a container is described ahead of its first event, and its own processes are never the host’s',
  async (t) => {
    await using containers = new Containers();
    await using collector = await startCollector(collectorOptions(t));
    const id = `palisade-first-${process.pid}`;
    await containers.start(id, { args: ['/bin/sh', '-c', '/bin/true first; exec /bin/sleep 1000'] });
    const cgroup = cgroupOf(`/${id}`);
    const executed = await collector.arrived(isExecOf('/bin/true', 'first'));
    t.is(executed.process.containerCgroupId, cgroup);
    t.is(executed.container?.cgroupId, cgroup);
    t.is(Buffer.from(executed.container?.cgroupPath ?? []).toString(), `/${id}`);
    // From the root's first program on: whatever ran in the container's own pid namespace.
    const own = collector.events.filter(({ process }) => process.pidNamespace === executed.process.pidNamespace);
    t.true(own.length > 3);
    t.deepEqual(
      own.filter(({ process }) => process.containerCgroupId !== cgroup),
      [],
    );
    t.true(own.every(({ container }) => container?.cgroupId === cgroup));

    const described = await collector.until(() => {
      const descriptor = collector.container(cgroup);
      return descriptor?.rootLinks === null ? undefined : descriptor;
    }, 'a descriptor with root links');
    t.is(described.idSource, 'runtimeState');
    t.true(described.version > 1);
    t.deepEqual(described.rootLinks, []);
    await collector.stop();
  },
);

kernelTest('of a hundred containers in a row that live a moment, each is attributed, and none twice', async (t) => {
  await using containers = new Containers();
  await using collector = await startCollector(collectorOptions(t));
  const ids = Array.from({ length: 100 }, (_, index) => `palisade-short-${process.pid}-${index}`);
  for (const id of ids) await containers.run(id, { args: ['/bin/true', id] });
  await collector.stop();

  // Others may run it on this machine too.
  const executed = collector.events.filter(
    (event) =>
      isExecOf('/bin/true')(event) && event.arguments[1]?.startsWith(`palisade-short-${process.pid}-`) === true,
  );
  t.deepEqual(
    executed.map((event) => event.arguments[1]),
    ids,
  );
  t.deepEqual(
    executed.map((event) => event.container?.containerId),
    ids,
  );
  t.deepEqual(
    executed.map((event) => event.container?.labels['kubearmor.io/container.name']),
    ids,
  );
  t.is(new Set(executed.map((event) => event.process.containerCgroupId)).size, 100);
  const lives = executed.map(({ row, process, batch }) => {
    const exit = collector.events.find(
      (event) => event.row.operation === 'exit' && event.process.startTimeNs === process.startTimeNs,
    );
    t.is(exit?.process.containerCgroupId, process.containerCgroupId);
    return Number((exit?.batch.baseTimeNs ?? 0n) - batch.baseTimeNs) + (exit?.row.timeNs ?? 0) - row.timeNs;
  });
  t.true(lives.every((lifeNs) => lifeNs > 0));
  const identities = collector.events.map(({ row, batch }) => `${batch.session} ${row.cpu} ${row.sequence}`);
  t.is(new Set(identities).size, identities.length);
});

kernelTest('a container made while the ring is full is known all the same', async (t) => {
  await using containers = new Containers();
  let isBlocked = false;
  let unblock: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => {
    unblock = resolve;
  });
  await using collector = await startCollector(collectorOptions(t), {
    ringBytes: 1 << 16,
    beforeAppend: () => (isBlocked ? gate : Promise.resolve()),
  });
  isBlocked = true;
  // Far more than the ring and the batches in flight hold.
  for (let round = 0; round < 4; round++)
    await run('/bin/sh', ['-c', 'i=0; while [ $i -lt 3000 ]; do : < /etc/passwd; i=$((i+1)); done']);
  const id = `palisade-full-${process.pid}`;
  await containers.start(id, { args: ['/bin/sleep', '1000'] });
  isBlocked = false;
  unblock();
  await collector.until(
    () => collector.batches.flatMap(({ counters }) => counters).find(({ dropped }) => dropped > 0),
    'a count of dropped events',
  );
  // A ring so small may be full of what others do, too: until one of these got through.
  const executed = await eventually('an exec in the container', async () => {
    await containers.exec(id, ['/bin/true', 'after']);
    return collector.events.find(isExecOf('/bin/true', 'after'));
  });
  t.is(executed.process.containerCgroupId, cgroupOf(`/${id}`));
  t.is(executed.container?.containerId, id);
  await collector.stop();

  // What was dropped is counted to the unit.
  const last = collector.batches.at(-1);
  t.true(last?.sessionEnded);
  for (const row of last?.counters ?? []) t.is(row.seen, row.filtered + row.submitted + row.dropped);
  const submitted = last?.counters.reduce((sum, row) => sum + row.submitted, 0);
  t.is(submitted, collector.events.length);
});

kernelTest('what a runtime makes on the way to a container’s cgroup is no container', async (t) => {
  await using containers = new Containers();
  await using collector = await startCollector(collectorOptions(t));
  const parent = `/palisade-parent-${process.pid}`;
  t.teardown(async () => {
    await removeCgroup(decidingHierarchy().mountPoint + parent);
  });
  await containers.start(`palisade-child-${process.pid}`, {
    args: ['/bin/sleep', '1000'],
    cgroupsPath: `${parent}/child`,
  });
  await containers.exec(`palisade-child-${process.pid}`, ['/bin/true', 'inside']);
  const inside = await collector.arrived(isExecOf('/bin/true', 'inside'));
  t.is(inside.process.containerCgroupId, cgroupOf(`${parent}/child`));

  await runIn(decidingHierarchy().mountPoint + parent, '/bin/true beside');
  const beside = await collector.arrived(isExecOf('/bin/true', 'beside'));
  t.is(beside.process.cgroupId, cgroupOf(parent));
  t.is(beside.process.containerCgroupId, 0n);
  await collector.stop();
});

kernelTest('a runtime of another name is known by its device and inode, and else not at all', async (t) => {
  const executable = `/tmp/palisade-runtime-${process.pid}`;
  copyFileSync(where('runc') ?? '', executable);
  t.teardown(async () => {
    await run('rm', [executable]);
  });
  await using containers = new Containers([executable]);
  const options = collectorOptions(t);
  await using unknowing = await startCollector(options);
  await containers.run(`palisade-unknown-${process.pid}`, { args: ['/bin/true', 'unknown'] });
  t.is((await unknowing.arrived(isExecOf('/bin/true', 'unknown'))).process.containerCgroupId, 0n);
  await unknowing.stop();

  await using knowing = await startCollector(options, { runtimeExecutables: [executable] });
  await containers.start(`palisade-known-${process.pid}`, {
    args: ['/bin/sh', '-c', '/bin/true known; exec /bin/sleep 1000'],
  });
  const known = await knowing.arrived(isExecOf('/bin/true', 'known'));
  t.is(known.process.containerCgroupId, cgroupOf(`/palisade-known-${process.pid}`));
  await knowing.stop();
});

kernelTest('a scope that a user names like a container’s stays the host’s', async (t) => {
  await using collector = await startCollector(collectorOptions(t));
  const delegated = makeCgroup(t, `/palisade-delegated-${process.pid}`);
  chownSync(delegated, 1000, 1000);
  const scope = join(delegated, `docker-${'0123456789abcdef'.repeat(4)}.scope`);
  await run('mkdir', [scope], { uid: 1000, gid: 1000 });
  try {
    await runIn(scope, '/bin/true delegated');
    const executed = await collector.arrived(isExecOf('/bin/true', 'delegated'));
    t.is(executed.process.cgroupId, statSync(scope, { bigint: true }).ino);
    t.is(executed.process.containerCgroupId, 0n);
  } finally {
    await removeCgroup(scope);
  }
  await collector.stop();
});

kernelTest('namespaces that a process makes for itself change nothing, on the host and in a container', async (t) => {
  await using containers = new Containers();
  await using collector = await startCollector(collectorOptions(t));
  await run('unshare', ['--mount', '--pid', '--fork', '--mount-proc', '/bin/true', 'unshared-host']);
  const onHost = await collector.arrived(isExecOf('/bin/true', 'unshared-host'));
  t.is(onHost.process.containerCgroupId, 0n);

  const id = `palisade-unshare-${process.pid}`;
  await containers.start(id, {
    args: ['/bin/sh', '-c', '/bin/unshare -m -p -f /bin/true unshared; exec /bin/sleep 1000'],
  });
  const inside = await collector.arrived(isExecOf('/bin/true', 'unshared'));
  t.is(inside.process.containerCgroupId, cgroupOf(`/${id}`));
  t.not(inside.process.pidNamespace, onHost.process.pidNamespace);
  await collector.stop();
});

kernelTest(
  'a container’s root that moves itself to a cgroup of the host stays in its container, and so do its children',
  async (t) => {
    await using containers = new Containers();
    await using collector = await startCollector(collectorOptions(t));
    const elsewhere = makeCgroup(t, `/palisade-elsewhere-${process.pid}`);
    const id = `palisade-mover-${process.pid}`;
    await containers.start(id, {
      args: [
        '/bin/sh',
        '-c',
        `/bin/mkdir /cgroup/palisade-inner; echo $$ > /cgroup/${elsewhere.split('/').at(-1) ?? ''}/cgroup.procs; /bin/true moved; exec /bin/sleep 1000`,
      ],
      privileged: { mounts: [{ from: decidingHierarchy().mountPoint, to: '/cgroup' }] },
    });
    t.teardown(async () => {
      await removeCgroup(`${decidingHierarchy().mountPoint}/palisade-inner`);
    });
    const cgroup = cgroupOf(`/${id}`);
    const moved = await collector.arrived(isExecOf('/bin/true', 'moved'));
    t.is(moved.process.cgroupId, cgroupOf(`/palisade-elsewhere-${process.pid}`));
    t.is(moved.process.containerCgroupId, cgroup);
    t.is(moved.container?.containerId, id);
    await collector.stop();
    await containers.delete(id);
  },
);

kernelTest('of nested containers the outermost decides', async (t) => {
  await using containers = new Containers();
  const id = `palisade-outer-${process.pid}`;
  const inner = `palisade-inner-${process.pid}`;
  // The outer container's root is this machine's, in an overlay: it has a runc of its own.
  const overlay = mkdtempSync('/tmp/palisade-overlay-');
  for (const name of ['upper', 'work', 'merged']) mkdirSync(join(overlay, name));
  const merged = join(overlay, 'merged');
  const layers = `lowerdir=/,upperdir=${overlay}/upper,workdir=${overlay}/work`;
  await run('mount', ['-t', 'overlay', 'overlay', '-o', layers, merged]);
  t.teardown(async () => {
    await run('umount', ['--lazy', merged]);
    await run('rm', ['-r', overlay]);
  });
  const bundle = containers.bundle(inner, { args: ['/bin/true', 'nested'], rootfs: '/nested/rootfs' });
  mkdirSync(join(merged, 'nested'));
  await run('cp', ['-a', containers.rootfs, join(merged, 'nested/rootfs')]);
  copyFileSync(join(bundle, 'config.json'), join(merged, 'nested/config.json'));

  await using collector = await startCollector(collectorOptions(t));
  await containers.start(id, {
    args: [
      '/bin/sh',
      '-c',
      `runc --root /nested/state run --bundle /nested ${inner} > /nested/log 2>&1; exec sleep 1000`,
    ],
    rootfs: merged,
    privileged: { mounts: [{ from: '/sys', to: '/sys' }] },
  });
  const nested = await collector.arrived(isExecOf('/bin/true', 'nested')).catch((error: unknown) => {
    t.log(readFileSync(join(merged, 'nested/log'), 'utf8'));
    throw error;
  });
  const outer = cgroupOf(`/${id}`);
  t.is(nested.process.containerCgroupId, outer);
  t.not(nested.process.cgroupId, outer);
  t.is(nested.container?.containerId, id);
  t.true(collector.batches.flatMap((batch) => batch.containers).every((container) => container.containerId !== inner));
  await collector.stop();
});

kernelTest(
  'a container is known over restarts of the monitor: by its pins, and without them by the list that was saved',
  async (t) => {
    // A state directory of which nobody knows, so that no state file tells of it.
    await using containers = new Containers(['runc', '--root', `/run/palisade-state-${process.pid}`]);
    t.teardown(async () => {
      await run('rm', ['-rf', `/run/palisade-state-${process.pid}`]);
    });
    const options = collectorOptions(t);
    const id = `palisade-over-${process.pid}`;
    await using first = await startCollector(options);
    await containers.start(id, { args: ['/bin/sleep', '1000'] });
    const cgroup = cgroupOf(`/${id}`);
    await containers.exec(id, ['/bin/true', 'one']);
    t.is((await first.arrived(isExecOf('/bin/true', 'one'))).process.containerCgroupId, cgroup);
    await first.stop();

    await using second = await startCollector(options);
    await containers.exec(id, ['/bin/true', 'two']);
    const two = await second.arrived(isExecOf('/bin/true', 'two'));
    t.is(two.process.containerCgroupId, cgroup);
    t.is(two.container?.containerId, id);
    t.is(two.container?.idSource, 'cgroupPath');
    await second.stop();

    await using third = await startCollector({ ...options, pinDirectory: `${options.pinDirectory}-anew` });
    t.teardown(async () => {
      await run('rm', ['-r', `${options.pinDirectory}-anew`]);
    });
    await containers.exec(id, ['/bin/true', 'three']);
    t.is((await third.arrived(isExecOf('/bin/true', 'three'))).process.containerCgroupId, cgroup);
    await third.stop();

    t.is(new Set([first, second, third].map((one) => one.batches[0]?.session)).size, 3);
    // Between two sessions nobody watched, and the later one says so.
    const gaps = second.batches.flatMap((batch) => batch.gaps);
    t.deepEqual(
      gaps.map((gap) => gap.reason),
      ['monitorAway'],
    );
  },
);

kernelTest('the deciding hierarchy is told with the host, which comes first in a session', async (t) => {
  await using collector = await startCollector(collectorOptions(t));
  await collector.stop();
  const [host] = collector.batches[0]?.containers ?? [];
  t.is(host?.kind, 'host');
  t.is(host?.cgroupId, 0n);
  t.is(host?.host?.cgroupLayout, decidingHierarchy().layout);
  t.is(host?.host?.kernelRelease, readFileSync('/proc/sys/kernel/osrelease', 'utf8').trim());
  t.true(Array.isArray(host?.rootLinks));
});
