/** A path of a cgroup, and what its layout says of it. */
export interface CgroupPath {
  readonly title: string;
  readonly path: string;
  /** Runtime and id; `undefined`: no container. */
  readonly expected: readonly [runtime: string, containerId: string] | undefined;
}

const id = '4e3c3f9c5b0a1d2e8f7a6b5c4d3e2f1a0b9c8d7e6f5a4b3c2d1e0f9a8b7c6d5e';
const pod = '2b3ffd4e-7a3f-4c0e-9d32-6a1b7c5d8e90';

/** Every layout once and more, and what looks like one: read by collector/container-id.ts and by the kernel alike. */
export const cgroupPaths: readonly CgroupPath[] = [
  { title: 'Docker with the cgroupfs driver', path: `/docker/${id}`, expected: ['docker', id] },
  { title: 'Docker with the systemd driver', path: `/system.slice/docker-${id}.scope`, expected: ['docker', id] },
  { title: 'Docker in a slice of its own', path: `/build.slice/docker-${id}.scope`, expected: ['docker', id] },
  {
    title: 'containerd under Kubernetes, systemd driver',
    path: `/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${pod.replaceAll('-', '_')}.slice/cri-containerd-${id}.scope`,
    expected: ['containerd', id],
  },
  {
    title: 'containerd with systemd names and no driver',
    path: `/system.slice/containerd.service/kubepods-besteffort-pod${pod}.slice:cri-containerd:${id}`,
    expected: ['containerd', id],
  },
  { title: 'nerdctl with the systemd driver', path: `/system.slice/nerdctl-${id}.scope`, expected: ['containerd', id] },
  { title: 'CRI-O with the systemd driver', path: `/kubepods.slice/crio-${id}.scope`, expected: ['crio', id] },
  {
    title: 'CRI-O with the cgroupfs driver',
    path: `/kubepods/besteffort/pod${pod}/crio-${id}`,
    expected: ['crio', id],
  },
  { title: 'Podman with the systemd driver', path: `/machine.slice/libpod-${id}.scope`, expected: ['podman', id] },
  { title: 'Podman with the cgroupfs driver', path: `/libpod_parent/libpod-${id}`, expected: ['podman', id] },
  { title: 'Kubernetes, guaranteed', path: `/kubepods/pod${pod}/${id}`, expected: ['kubernetes', id] },
  { title: 'Kubernetes, burstable', path: `/kubepods/burstable/pod${pod}/${id}`, expected: ['kubernetes', id] },
  { title: 'Kubernetes, best effort', path: `/kubepods/besteffort/pod${pod}/${id}`, expected: ['kubernetes', id] },
  {
    title: 'systemd-nspawn registered with machined',
    path: '/machine.slice/machine-web.scope',
    expected: ['nspawn', 'web'],
  },
  {
    title: 'systemd-nspawn as a service',
    path: '/machine.slice/systemd-nspawn@web.service',
    expected: ['nspawn', 'web'],
  },
  { title: 'LXC', path: '/lxc.payload.web', expected: ['lxc', 'web'] },
  { title: 'runc with the systemd driver', path: '/system.slice/runc-web.scope', expected: ['runc', 'web'] },
  { title: 'crun with the systemd driver', path: '/user.slice/crun-web.scope', expected: ['crun', 'web'] },

  { title: 'the root is no container', path: '/', expected: undefined },
  { title: 'a service is no container', path: '/system.slice/docker.service', expected: undefined },
  { title: 'Docker’s own directory is no container', path: '/docker', expected: undefined },
  { title: 'a pod is no container', path: `/kubepods/burstable/pod${pod}`, expected: undefined },
  { title: 'a pod’s slice is no container', path: '/kubepods.slice/kubepods-pod1.slice', expected: undefined },
  { title: 'conmon of Podman is no container', path: `/machine.slice/libpod-conmon-${id}.scope`, expected: undefined },
  { title: 'conmon of CRI-O is no container', path: `/kubepods.slice/crio-conmon-${id}.scope`, expected: undefined },
  { title: 'conmon alone is no container', path: '/system.slice/conmon-web.scope', expected: undefined },
  { title: 'LXC’s monitor is no container', path: '/lxc.monitor.web', expected: undefined },
  {
    title: 'a virtual machine of libvirt is no container',
    path: '/machine.slice/machine-qemu\\x2d1\\x2dweb.scope',
    expected: undefined,
  },
  { title: 'nspawn’s name elsewhere is no container', path: '/system.slice/machine-web.scope', expected: undefined },
  { title: 'an id of 63 digits is none', path: `/docker/${id.slice(1)}`, expected: undefined },
  { title: 'an id in capitals is none', path: `/docker/${id.toUpperCase()}`, expected: undefined },
  { title: 'an id and more is none', path: `/system.slice/docker-${id}0.scope`, expected: undefined },
  { title: 'an id under any parent is none', path: `/somewhere/${id}`, expected: undefined },
  { title: 'an id in a pod of nobody’s is none', path: `/mine/pod${pod}/${id}`, expected: undefined },
  { title: 'a prefix ahead of Docker’s is none', path: `/system.slice/xdocker-${id}.scope`, expected: undefined },
  { title: 'an empty name is none', path: '/machine.slice/machine-.scope', expected: undefined },
];
