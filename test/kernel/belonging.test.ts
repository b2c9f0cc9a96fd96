import { mkdirSync, statSync } from 'node:fs';
import test from 'ava';
import { decidingHierarchy } from '../../collector/cgroup-hierarchy.ts';
import { writeContainer } from '../../collector/container-maps.ts';
import { openCapture, whyNoKernelTests } from '../support/kernel-capture.ts';
import { testProgram } from '../support/programs.ts';
import { removeCgroup } from '../support/remove-cgroup.ts';

const reason = whyNoKernelTests();
const kernelTest = reason === undefined ? test.serial : test.serial.skip;
if (reason !== undefined) console.log(`skipped: ${reason}`);

kernelTest('a process that moved out of its container stays its own when a thread of it executes', async (t) => {
  const { deciding, mountPoint } = decidingHierarchy();
  const path = `/palisade-belonging-${process.pid}`;
  mkdirSync(mountPoint + path);
  t.teardown(async () => {
    await removeCgroup(mountPoint + path);
  });
  const cgroupId = statSync(mountPoint + path, { bigint: true }).ino;
  const capture = openCapture(t, { hierarchy: deciding });
  writeContainer(capture.monitor, { cgroupId, path });

  const procs = (directory: string): string => `echo $$ > ${directory}/cgroup.procs`;
  const exec = `exec ${testProgram('exec')} thread ${testProgram('exit')} 0`;
  const { events } = await capture.run('/bin/sh', ['-c', `${procs(mountPoint + path)}; ${procs(mountPoint)}; ${exec}`]);
  const last = events.findLast(({ operation }) => operation === 'exec');
  t.is(last?.strings.path, testProgram('exit'));
  t.is(last?.strings.callerExecutable, testProgram('exec'));
  t.is(last?.hostTid, last?.hostTgid, 'it has become the leader');
  t.is(last?.containerCgroupId, cgroupId);
  t.not(last?.cgroupId, cgroupId);
  t.is(events.at(-1)?.containerCgroupId, cgroupId, 'and so it ends');
});
