import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { CgroupHierarchy } from '../../collector/cgroup-hierarchy.ts';
import { readMetadata } from '../../collector/container-metadata.ts';
import { RuntimeStates } from '../../collector/runtime-state.ts';

const id = '4e3c3f9c5b0a1d2e8f7a6b5c4d3e2f1a0b9c8d7e6f5a4b3c2d1e0f9a8b7c6d5e';
const pids: CgroupHierarchy = { deciding: 'pids', layout: 'hybrid/pids', mountPoint: '/sys/fs/cgroup/pids' };
const unified: CgroupHierarchy = { deciding: 'v2', layout: 'v2', mountPoint: '/sys/fs/cgroup' };

/** A machine's files, each with its JSON. */
function machine(t: ExecutionContext, files: Readonly<Record<string, unknown>>): string {
  const root = mkdtempSync('/tmp/palisade-machine-');
  t.teardown(() => {
    rmSync(root, { recursive: true, force: true });
  });
  for (const [file, value] of Object.entries(files)) {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), typeof value === 'string' ? value : JSON.stringify(value));
  }
  return root;
}

const runcState = (containerId: string, path: string): object => ({
  id: containerId,
  init_process_pid: 42,
  cgroup_paths: { '': `/sys/fs/cgroup${path}`, pids: `/sys/fs/cgroup/pids${path}` },
  config: { labels: ['a=b', 'bundle=/bundles/web'] },
});

test('a container of runc is found by its cgroup, whatever it is called', (t) => {
  const root = machine(t, { '/run/runc/web/state.json': runcState('web', '/some/where') });
  for (const hierarchy of [pids, unified]) {
    const states = new RuntimeStates(hierarchy, root);
    t.deepEqual(states.find('/some/where', 'where'), {
      containerId: 'web',
      runtime: 'runc',
      initPid: 42,
      cgroupPath: '/some/where',
      bundle: '/bundles/web',
      namespace: undefined,
    });
    t.is(states.find('/some', 'web'), undefined);
  }
});

test('Docker, containerd and crun have their states in their own places', (t) => {
  const root = machine(t, {
    [`/run/docker/runtime-runc/moby/${id}/state.json`]: runcState(id, `/docker/${id}`),
    '/run/containerd/runc/k8s.io/web/state.json': runcState('web', '/kubepods/pod1/web'),
    '/run/crun/job/status': { pid: 7, 'cgroup-path': 'user.slice/crun-job.scope', bundle: '/b' },
  });
  const found = [...new RuntimeStates(unified, root).all()].map(({ runtime, containerId, cgroupPath, namespace }) => [
    runtime,
    containerId,
    cgroupPath,
    namespace,
  ]);
  t.deepEqual(found, [
    ['docker', id, `/docker/${id}`, undefined],
    ['containerd', 'web', '/kubepods/pod1/web', 'k8s.io'],
    ['crun', 'job', '/user.slice/crun-job.scope', undefined],
  ]);
});

test('a state that is missing, half written or something else is no state', (t) => {
  const root = machine(t, {
    '/run/runc/half/state.json': '{"id": "half", "cgr',
    '/run/runc/other/state.json': [1, null],
    '/run/runc/elsewhere/state.json': { id: 'e', cgroup_paths: { pids: '/somewhere/else' } },
    '/run/runc/file': '{}',
  });
  t.deepEqual([...new RuntimeStates(pids, root).all()], []);
  for (const guess of ['', '.', '..', '../runc/half', 'missing']) {
    t.is(new RuntimeStates(pids, root).find('/x', guess), undefined);
  }
});

test('Docker’s name, image and labels are read from its configuration', (t) => {
  const root = machine(t, {
    [`/var/lib/docker/containers/${id}/config.v2.json`]: {
      Name: '/web',
      Config: { Image: 'nginx:1', Labels: { app: 'web', bad: 1, long: 'x'.repeat(5000) } },
    },
  });
  t.deepEqual(readMetadata({ containerId: id, runtime: 'docker', bundle: undefined, namespace: undefined }, root), {
    name: 'web',
    image: 'nginx:1',
    labels: { app: 'web' },
  });
});

test('what Kubernetes’ runtimes annotate is read from the bundle', (t) => {
  const annotations = { 'io.kubernetes.cri.container-name': 'web', 'io.kubernetes.cri.image-name': 'nginx:1' };
  const root = machine(t, {
    [`/run/containerd/io.containerd.runtime.v2.task/k8s.io/${id}/config.json`]: { annotations },
  });
  t.deepEqual(readMetadata({ containerId: id, runtime: 'containerd', bundle: undefined, namespace: undefined }, root), {
    name: 'web',
    image: 'nginx:1',
    labels: annotations,
  });
});

test('Podman’s and CRI-O’s names are read from the storage’s list', (t) => {
  const root = machine(t, {
    '/var/lib/containers/storage/overlay-containers/containers.json': [
      { id: 'other' },
      { id, names: ['db'], metadata: '{"image-name":"postgres:16"}' },
    ],
  });
  t.deepEqual(readMetadata({ containerId: id, runtime: 'podman', bundle: undefined, namespace: undefined }, root), {
    name: 'db',
    image: 'postgres:16',
    labels: {},
  });
});

test('an id that is a path leads nowhere', (t) => {
  const root = machine(t, { '/etc/config.json': { annotations: { a: 'b' } } });
  const reference = { containerId: '../../../etc', runtime: 'runc', bundle: undefined, namespace: 'default' };
  t.deepEqual(readMetadata(reference, root), { name: undefined, image: undefined, labels: {} });
});
