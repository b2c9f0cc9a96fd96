/**
 * How one runtime or engine names the cgroup of a container: `[before][id][after]` under a parent and a grandparent.
 * The same rows are given to the kernel (struct palisade_layout, bpf/container.h).
 */
export interface ContainerLayout {
  /** As in ContainerDescriptor.runtime. */
  readonly runtime: string;
  readonly before: string;
  /** Whether something may stand ahead of `before`. Only with `hex64`. */
  readonly beforeIsInfix?: boolean;
  /** hex64: 64 lower-case hexadecimal digits. any: at least one character. */
  readonly id: 'hex64' | 'any';
  readonly after: string;
  /** Name of the parent; `undefined`: any. */
  readonly parent?: string;
  /** Whether the parent's name only begins with `parent`. */
  readonly parentIsPrefix?: boolean;
  readonly grandparent?: string;
  /** false: looks like a container and is none. */
  readonly isContainer: boolean;
}

/**
 * Every known layout, in the order in which they are tried: the first that fits decides. A layout counts only under parents
 * that no unprivileged user owns, which is not in the table. Layouts of plain OCI runtimes with a cgroupfs driver are not
 * here: their paths are whatever the caller chose, and the kernel sees the runtime at work (bpf/monitor/cgroup.bpf.h).
 *
 * Sources: moby/moby daemon/oci_linux.go (withCgroups); containerd/containerd internal/cri/server/podsandbox/helpers_linux.go
 * (getCgroupsPath); cri-o/cri-o internal/config/cgmgr; containers/podman libpod/container_internal_linux.go;
 * kubernetes/kubernetes pkg/kubelet/cm (cgroup names of pods and QoS classes); systemd src/nspawn and src/machine
 * (machine-*.scope); lxc src/lxc/cgroups (lxc.payload); opencontainers/runc libcontainer/specconv and
 * containers/crun src/libcrun/cgroup-systemd.c (default scope prefixes).
 */
export const containerLayouts: readonly ContainerLayout[] = [
  // What looks like a container and holds only its monitor. An id of 64 digits would not fit these, but names do.
  { runtime: 'crio', before: 'crio-conmon-', id: 'any', after: '.scope', isContainer: false },
  { runtime: 'podman', before: 'libpod-conmon-', id: 'any', after: '.scope', isContainer: false },
  { runtime: 'podman', before: 'conmon-', id: 'any', after: '.scope', isContainer: false },
  { runtime: 'lxc', before: 'lxc.monitor.', id: 'any', after: '', isContainer: false },
  // Virtual machines of libvirt have scopes of machined's shape; their processes are those of the host.
  {
    runtime: 'libvirt',
    before: 'machine-qemu\\x2d',
    id: 'any',
    after: '.scope',
    parent: 'machine.slice',
    isContainer: false,
  },

  // systemd drivers: the scope is made by PID 1, so the name is all there is.
  { runtime: 'docker', before: 'docker-', id: 'hex64', after: '.scope', isContainer: true },
  { runtime: 'containerd', before: 'cri-containerd-', id: 'hex64', after: '.scope', isContainer: true },
  { runtime: 'containerd', before: 'nerdctl-', id: 'hex64', after: '.scope', isContainer: true },
  { runtime: 'crio', before: 'crio-', id: 'hex64', after: '.scope', isContainer: true },
  { runtime: 'podman', before: 'libpod-', id: 'hex64', after: '.scope', isContainer: true },
  { runtime: 'runc', before: 'runc-', id: 'any', after: '.scope', isContainer: true },
  { runtime: 'crun', before: 'crun-', id: 'any', after: '.scope', isContainer: true },
  { runtime: 'nspawn', before: 'machine-', id: 'any', after: '.scope', parent: 'machine.slice', isContainer: true },
  {
    runtime: 'nspawn',
    before: 'systemd-nspawn@',
    id: 'any',
    after: '.service',
    parent: 'machine.slice',
    isContainer: true,
  },
  // containerd told to use systemd's names without its driver: kubepods-burstable-podUID.slice:cri-containerd:ID.
  {
    runtime: 'containerd',
    before: ':cri-containerd:',
    beforeIsInfix: true,
    id: 'hex64',
    after: '',
    isContainer: true,
  },

  // cgroupfs drivers.
  { runtime: 'docker', before: '', id: 'hex64', after: '', parent: 'docker', isContainer: true },
  { runtime: 'crio', before: 'crio-', id: 'hex64', after: '', isContainer: true },
  { runtime: 'podman', before: 'libpod-', id: 'hex64', after: '', parent: 'libpod_parent', isContainer: true },
  { runtime: 'lxc', before: 'lxc.payload.', id: 'any', after: '', isContainer: true },
  // Kubernetes: kubepods/podUID/ID (guaranteed), kubepods/burstable/podUID/ID, kubepods/besteffort/podUID/ID.
  ...['kubepods', 'burstable', 'besteffort'].map((grandparent): ContainerLayout => ({
    runtime: 'kubernetes',
    before: '',
    id: 'hex64',
    after: '',
    parent: 'pod',
    parentIsPrefix: true,
    grandparent,
    isContainer: true,
  })),
];

/**
 * Names of the executables (or of the process) that are known as container runtimes. The last two are the copies of
 * themselves that runc and crun run from memory against CVE-2019-5736, cut to 31 bytes.
 */
export const runtimeNames: readonly string[] = [
  'runc',
  'docker-runc',
  'crun',
  'youki',
  'runsc',
  'kata-runtime',
  'lxc-start',
  'memfd:runc_cloned:/proc/self/ex',
  'memfd:crun_cloned:/proc/self/ex',
];
