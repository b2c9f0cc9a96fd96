/** A mount of the OCI runtime configuration. */
export interface ContainerMount {
  readonly destination: string;
  readonly type: string;
  readonly source: string;
  readonly options?: readonly string[];
}

/** What containers differ in. */
export interface ContainerConfiguration {
  readonly hostname: string;
  /** The root file system: absolute, or below the bundle. */
  readonly root: string;
  /** The first process, as the container sees it. */
  readonly command: readonly string[];
  /** Beside /proc and an empty /dev. */
  readonly mounts?: readonly ContainerMount[] | undefined;
}

/**
 * An OCI runtime configuration (runtime-spec 1.0.2): namespaces of its own, no capabilities, no network but a loopback; the root
 * can be written.
 */
export function containerConfiguration({ hostname, root, command, mounts = [] }: ContainerConfiguration): object {
  return {
    ociVersion: '1.0.2',
    process: {
      user: { uid: 0, gid: 0 },
      args: command,
      env: ['PATH=/usr/sbin:/usr/bin:/sbin:/bin'],
      cwd: '/',
      noNewPrivileges: true,
    },
    root: { path: root },
    hostname,
    mounts: [
      { destination: '/proc', type: 'proc', source: 'proc' },
      { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'mode=755', 'size=65536k'] },
      ...mounts,
    ],
    linux: { namespaces: ['pid', 'mount', 'ipc', 'uts', 'network'].map((type) => ({ type })) },
  };
}
