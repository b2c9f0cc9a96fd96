import test from 'ava';
import { recognizeCgroup } from '../../collector/container-id.ts';
import { containerLayouts, runtimeNames } from '../../collector/container-layouts.ts';
import { containerConstant } from '../../collector/container-structs.ts';
import { cgroupPaths } from '../support/cgroup-paths.ts';

for (const { title, path, expected } of cgroupPaths) {
  test(title, (t) => {
    const recognized = recognizeCgroup(path);
    t.deepEqual(
      recognized === undefined ? undefined : [recognized.layout.runtime, recognized.containerId],
      expected === undefined ? undefined : [...expected],
    );
  });
}

test('every layout and every runtime’s name fits into what the kernel has room for', (t) => {
  t.true(containerLayouts.length <= containerConstant.containerLayoutsMax);
  for (const layout of containerLayouts) {
    for (const text of [layout.before, layout.after, layout.parent ?? '', layout.grandparent ?? '']) {
      t.true(text.length <= containerConstant.layoutTextMax, text);
    }
    // The kernel looks for what stands ahead of an id from the end of the name: with an open id there is no such place.
    if (layout.beforeIsInfix === true) t.is(layout.id, 'hex64');
  }
  for (const name of runtimeNames) t.true(name.length < containerConstant.runtimeNameMax, name);
});
