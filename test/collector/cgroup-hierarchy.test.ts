import test from 'ava';
import { decidingHierarchy } from '../../collector/cgroup-hierarchy.ts';

const header = '#subsys_name\thierarchy\tnum_cgroups\tenabled\n';
const v1 = `${header}cpu\t1\t1\t1\npids\t8\t1\t1\n`;
const onlyV2 = `${header}cpu\t0\t1\t1\npids\t0\t1\t1\n`;
const pidsMount = '31 24 0:27 / /sys/fs/cgroup/pids rw,nosuid shared:9 - cgroup cgroup rw,pids\n';
const v2Mount = '30 24 0:26 / /sys/fs/cgroup/unified rw shared:8 - cgroup2 cgroup2 rw,nsdelegate\n';

const rows = [
  ['v1 alone: pids decides', v1, pidsMount, 'v1/pids', '/sys/fs/cgroup/pids'],
  ['hybrid: pids decides', v1, pidsMount + v2Mount, 'hybrid/pids', '/sys/fs/cgroup/pids'],
  ['v2 alone decides', onlyV2, v2Mount.replace('/sys/fs/cgroup/unified', '/sys/fs/cgroup'), 'v2/v2', '/sys/fs/cgroup'],
  [
    'controllers of v1 without pids: v2 decides',
    `${header}memory\t4\t1\t1\npids\t0\t1\t1\n`,
    v2Mount,
    'hybrid/v2',
    '/sys/fs/cgroup/unified',
  ],
  [
    'a mount point with a space is read as the kernel writes it',
    v1,
    pidsMount.replace('/sys/fs/cgroup/pids', '/mnt/my\\040pids'),
    'v1/pids',
    '/mnt/my pids',
  ],
] as const;

for (const [title, cgroups, mounts, layout, mountPoint] of rows) {
  test(title, (t) => {
    const hierarchy = decidingHierarchy(cgroups, mounts);
    t.is(hierarchy.layout, layout);
    t.is(hierarchy.mountPoint, mountPoint);
    t.is(hierarchy.deciding, layout.endsWith('v2') ? 'v2' : 'pids');
  });
}

test('a hierarchy that is not mounted, or only in part, is refused with the remedy', (t) => {
  const part = v2Mount.replace(' / /sys', ' /some/container /sys');
  for (const [cgroups, mounts] of [
    [v1, v2Mount],
    [onlyV2, part],
  ] as const) {
    t.throws(() => decidingHierarchy(cgroups, mounts), {
      code: 'KERNEL_REFUSED',
      message: /Mount it: mount -t cgroup/,
    });
  }
});
