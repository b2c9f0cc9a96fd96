import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import type { CgroupHierarchy } from '../../collector/cgroup-hierarchy.ts';
import { readContainers, writeContainer, type ContainerMaps } from '../../collector/container-maps.ts';
import { scanContainers } from '../../collector/container-scan.ts';
import { RuntimeStates } from '../../collector/runtime-state.ts';
import { KernelError } from '../../native/kernel-error.ts';

/** Maps with room for `room` containers, which answer as the kernel's do. */
function mapsFor(room: number): ContainerMaps {
  const maps = new Map<string, Map<string, Uint8Array>>();
  const named = (name: string): Map<string, Uint8Array> => {
    const known = maps.get(name) ?? new Map<string, Uint8Array>();
    maps.set(name, known);
    return known;
  };
  const text = (key: Uint8Array): string => Buffer.from(key).toString('hex');
  return {
    mapLookup: (name, key) => named(name).get(text(key)),
    mapUpdate: (name, key, value) => {
      const map = named(name);
      if (name === 'containers' && map.size >= room && !map.has(text(key))) {
        throw new KernelError('The map is full.', { errno: 7, program: '', complaint: '', remedy: '' });
      }
      map.set(text(key), value);
    },
    mapDelete: (name, key) => named(name).delete(text(key)),
    mapEntries: (name) => [...named(name)].map(([key, value]) => [Buffer.from(key, 'hex'), value]),
  };
}

for (const { title, room, stale, left } of [
  { title: 'what already runs is told to the kernel', room: 4, stale: 0, left: 0 },
  { title: 'containers that are gone make room for those that run', room: 4, stale: 4, left: 0 },
  { title: 'containers beyond the limit are counted, and those before it are known', room: 3, stale: 0, left: 1 },
]) {
  test(title, (t) => {
    const mountPoint = mkdtempSync(join(tmpdir(), 'palisade-scan-'));
    t.teardown(() => {
      rmSync(mountPoint, { recursive: true });
    });
    const paths = ['a', 'b', 'c', 'd'].map((digit) => `/docker/${digit.repeat(64)}`);
    for (const path of paths) mkdirSync(mountPoint + path, { recursive: true });
    const hierarchy: CgroupHierarchy = { deciding: 'v2', layout: 'v2/v2', mountPoint };
    const maps = mapsFor(room);
    for (let id = 1; id <= stale; id++) writeContainer(maps, { cgroupId: BigInt(id), path: `/docker/gone-${id}` });

    t.is(scanContainers({ maps, hierarchy, states: new RuntimeStates(hierarchy), saved: [] }), left);
    const ids = readContainers(maps).map(({ cgroupId, path }) => `${path} ${cgroupId}`);
    const expected = paths.map((path) => `${path} ${statSync(mountPoint + path, { bigint: true }).ino}`);
    t.is(ids.length, Math.min(room, 4));
    for (const id of ids) t.true(expected.includes(id), id);
  });
}
