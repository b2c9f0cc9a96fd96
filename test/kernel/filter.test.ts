import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import test from 'ava';
import { eventOperation } from '../../collector/event-layout.ts';
import { openMonitor, type MonitorStatistics } from '../../native/monitor.ts';
import { openCapture, pinDirectory, testHierarchy, whyNoKernelTests } from '../support/kernel-capture.ts';
import { testProgram } from '../support/programs.ts';

const reason = whyNoKernelTests();
const kernelTest = reason === undefined ? test.serial : test.serial.skip;
if (reason !== undefined) console.log(`skipped: ${reason}`);

function filtered({ cpus, operations, filtered }: MonitorStatistics, operation: keyof typeof eventOperation): number {
  let sum = 0;
  for (let cpu = 0; cpu < cpus; cpu++) sum += filtered[cpu * operations + eventOperation[operation]] ?? 0;
  return sum;
}

kernelTest('an operation switched off is counted and not told, until it is switched on again', async (t) => {
  const capture = openCapture(t, { operationsOff: ['open'] });
  const off = await capture.run(testProgram('open'), ['openat', '/etc/passwd']);
  t.deepEqual(
    off.events.map(({ operation }) => operation),
    ['exec', 'exit'],
  );
  t.true(filtered(capture.monitor.statistics(), 'open') > 0);
  capture.monitor.setOperationEnabled('open', true);
  const on = await capture.run(testProgram('open'), ['openat', '/etc/passwd']);
  t.is(on.events.length, 3);
  capture.monitor.setOperationEnabled('open', false);
  t.is((await capture.run(testProgram('open'), ['openat', '/etc/passwd'])).events.length, 2);
});

kernelTest('a target switched off is counted and not told', async (t) => {
  const capture = openCapture(t);
  const before = filtered(capture.monitor.statistics(), 'exec');
  capture.monitor.setTargetEnabled(0n, false);
  capture.monitor.setTargetEnabled(0n, false); // A second time changes nothing.
  const marker = 'palisade-target-switched-off';
  execFileSync('/bin/echo', [marker]);
  capture.monitor.setTargetEnabled(0n, true);
  await capture.run('/bin/true');
  t.false(capture.events.some(({ strings }) => strings.arguments?.includes(marker)));
  t.true(filtered(capture.monitor.statistics(), 'exec') > before);
});

kernelTest(
  'a registered process is silent about files, not about processes; its children are not silent',
  async (t) => {
    const capture = openCapture(t);
    const own = (operation: string): number =>
      capture.events.filter((event) => event.hostTgid === BigInt(process.pid) && event.operation === operation).length;

    readFileSync('/etc/hostname');
    await capture.run('/bin/true');
    t.true(own('open') > 0, 'an unregistered one is told');

    capture.monitor.registerProcess();
    await capture.run('/bin/true');
    const opens = own('open');
    const forks = own('fork');
    readFileSync('/etc/hostname');
    const child = await capture.run(testProgram('open'), ['openat', '/etc/passwd']);
    t.is(own('open'), opens);
    t.is(own('fork'), forks + 1);
    t.deepEqual(
      child.events.map(({ operation }) => operation),
      ['exec', 'open', 'exit'],
    );
  },
);

kernelTest('a registration with another start time is of another process', async (t) => {
  const capture = openCapture(t);
  const key = new Uint8Array(new Uint32Array([process.pid]).buffer);
  capture.monitor.mapUpdate('registered', key, new Uint8Array(new BigUint64Array([1n]).buffer));
  readFileSync('/etc/hostname');
  await capture.event(({ hostTgid, operation }) => hostTgid === BigInt(process.pid) && operation === 'open');
  t.pass();
});

kernelTest('maps are read, written and listed by bytes; a key of another size is refused', (t) => {
  const { monitor } = openCapture(t);
  const key = new Uint8Array(new BigUint64Array([77n]).buffer);
  t.is(monitor.mapLookup('containers', key), undefined);
  const size = monitor.mapEntries('containers').length;
  t.is(size, 0);
  t.false(monitor.mapDelete('containers', key));
  t.throws(() => monitor.mapLookup('containers', new Uint8Array(3)), { message: /key of 3 bytes/ });
  t.throws(() => monitor.mapLookup('ring' as 'containers', key), { message: /no map "ring"/ });
});

kernelTest('a start forgets registered processes that have ended', async (t) => {
  const directory = pinDirectory(t);
  const options = { pinDirectory: directory, ringBytes: 4096, hierarchy: testHierarchy() } as const;
  const first = openMonitor(options);
  const child = spawn('/bin/sleep', ['60']);
  first.registerProcess(child.pid);
  first.registerProcess();
  t.is(first.mapEntries('registered').length, 2);
  child.kill('SIGKILL');
  await once(child, 'exit');
  await first.close();
  const second = openMonitor(options);
  t.is(second.mapEntries('registered').length, 1);
  await second.close();
});

kernelTest(
  'registrations of processes that come and go do not fill the map, and one that is gone is passed over',
  async (t) => {
    const monitor = openMonitor({ pinDirectory: pinDirectory(t), ringBytes: 4096, hierarchy: testHierarchy() });
    monitor.registerProcess();
    let gone = 0;
    for (let life = 0; life < 70; life++) {
      const child = spawn('/bin/sleep', ['60']);
      const ended = once(child, 'exit');
      gone = child.pid ?? 0;
      monitor.registerProcess(gone);
      child.kill('SIGKILL');
      await ended;
    }
    monitor.registerProcess(gone);
    t.is(monitor.mapEntries('registered').length, 1);
    await monitor.close();
  },
);
