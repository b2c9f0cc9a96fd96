import { existsSync, mkdirSync, rmdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import test from 'ava';
import { decidingHierarchy } from '../../collector/cgroup-hierarchy.ts';
import { readContainer, readContainers, writeLayouts } from '../../collector/container-maps.ts';
import { monitorOperations, openMonitor } from '../../native/monitor.ts';
import { cgroupPaths } from '../support/cgroup-paths.ts';
import { pinDirectory, whyNoKernelTests } from '../support/kernel-capture.ts';

const reason = whyNoKernelTests();
const kernelTest = reason === undefined ? test.serial : test.serial.skip;
if (reason !== undefined) console.log(`skipped: ${reason}`);

kernelTest('the kernel knows the same layouts as the collector, while cgroups are made and removed', async (t) => {
  const hierarchy = decidingHierarchy();
  await using monitor = openMonitor({
    pinDirectory: pinDirectory(t),
    ringBytes: 1 << 16,
    hierarchy: hierarchy.deciding,
    operationsOff: monitorOperations,
  });
  writeLayouts(monitor);
  for (const { title, path, expected } of cgroupPaths) {
    const made: string[] = [];
    try {
      const parents: string[] = [];
      for (let parent = path; parent !== '/'; parent = dirname(parent)) parents.unshift(parent);
      for (const parent of parents) {
        if (existsSync(hierarchy.mountPoint + parent)) continue;
        mkdirSync(hierarchy.mountPoint + parent);
        made.unshift(parent);
      }
      const id = statSync(hierarchy.mountPoint + path, { bigint: true }).ino;
      const known = readContainers(monitor).map(({ cgroupId }) => cgroupId);
      t.deepEqual(known, expected === undefined ? [] : [id], title);
      if (expected !== undefined) t.is(readContainer(monitor, id)?.path, path);
    } finally {
      for (const directory of made) rmdirSync(hierarchy.mountPoint + directory);
    }
    t.deepEqual(readContainers(monitor), [], title);
  }
});
