import { execFile, execFileSync, spawn } from 'node:child_process';
import {
  closeSync,
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
/** Real binaries of the root, each a file of its own: busybox's shell runs its applets without exec, so sh is dash. */
const applets = ['true', 'sleep', 'ls', 'cat', 'mkdir', 'unshare'];

/** Why no container can be run here, or undefined. */
export function whyNoContainers(): string | undefined {
  if (process.getuid?.() !== 0) return 'containers need root';
  for (const [tool, debian] of [
    ['runc', 'runc'],
    ['busybox', 'busybox-static'],
    ['dash', 'dash'],
  ] as const) {
    if (where(tool) === undefined) return `needs ${tool}: apt-get install ${debian}`;
  }
  return undefined;
}

export interface ContainerOptions {
  readonly args: readonly string[];
  /** The OCI cgroupsPath; default: what the runtime chooses. */
  readonly cgroupsPath?: string;
  /** All capabilities, the host's network and IPC namespaces, and these host directories, writable. */
  readonly privileged?: { readonly mounts: readonly { readonly from: string; readonly to: string }[] };
  /** A rootfs in place of the small one. */
  readonly rootfs?: string;
}

/** Makes containers with a runtime until it is disposed; then none is left. */
export class Containers implements AsyncDisposable {
  readonly #directory = mkdtempSync(join(tmpdir(), 'palisade-containers-'));
  readonly #runtime: readonly string[];
  readonly #ids = new Set<string>();
  readonly rootfs = join(this.#directory, 'rootfs');

  /** `runtime`: an executable that takes runc's arguments, with arguments of its own. */
  constructor(runtime: readonly string[] = ['runc']) {
    this.#runtime = runtime;
    for (const directory of ['bin', 'proc', 'dev', 'tmp', 'sys', 'usr/bin', 'host']) {
      mkdirSync(join(this.rootfs, directory), { recursive: true });
    }
    const busybox = join(this.rootfs, 'bin/busybox');
    copyFileSync(where('busybox') ?? '', busybox);
    for (const applet of applets) linkSync(busybox, join(this.rootfs, 'bin', applet));
    const dash = where('dash') ?? '';
    copyFileSync(dash, join(this.rootfs, 'bin/sh'));
    for (const [, library = ''] of execFileSync('ldd', [dash], { encoding: 'utf8' }).matchAll(/(\/\S+) \(0x/g)) {
      mkdirSync(join(this.rootfs, dirname(library)), { recursive: true });
      copyFileSync(library, join(this.rootfs, library));
    }
  }

  /** A directory of its own for a container's bundle, with its configuration. */
  bundle(id: string, options: ContainerOptions): string {
    const bundle = join(this.#directory, id);
    mkdirSync(bundle, { recursive: true });
    writeFileSync(join(bundle, 'config.json'), JSON.stringify(configuration(options, options.rootfs ?? this.rootfs)));
    return bundle;
  }

  /** Starts a container that goes on. */
  async start(id: string, options: ContainerOptions): Promise<void> {
    const bundle = this.bundle(id, options);
    this.#ids.add(id);
    // A file, not a pipe to us, which the container would hold open.
    const output = join(bundle, 'output');
    const file = openSync(output, 'w');
    const child = spawn(this.#command(), [...this.#arguments(), 'run', '--detach', '--bundle', bundle, id], {
      stdio: ['ignore', file, file],
    });
    closeSync(file);
    const code = await new Promise((resolve, reject) => child.on('error', reject).on('close', resolve));
    if (code !== 0) throw new Error(`${child.spawnargs.join(' ')}: ${readFileSync(output, 'utf8')}`);
  }

  /** Runs a container to its end and returns its output. */
  async run(id: string, options: ContainerOptions): Promise<string> {
    const bundle = this.bundle(id, options);
    this.#ids.add(id);
    const { stdout } = await run(this.#command(), [...this.#arguments(), 'run', '--bundle', bundle, id]);
    this.#ids.delete(id);
    return stdout;
  }

  /** Runs a program in a container that goes on. */
  async exec(id: string, args: readonly string[]): Promise<string> {
    const { stdout } = await run(this.#command(), [...this.#arguments(), 'exec', id, ...args]);
    return stdout;
  }

  async delete(id: string): Promise<void> {
    this.#ids.delete(id);
    await run(this.#command(), [...this.#arguments(), 'delete', '--force', id]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const id of [...this.#ids]) await this.delete(id).catch(() => undefined); // It may have ended by itself.
    // Its processes let go of the root a moment later.
    rmSync(this.#directory, { recursive: true, force: true, maxRetries: 100, retryDelay: 100 });
  }

  #command(): string {
    return this.#runtime[0] ?? 'runc';
  }

  #arguments(): readonly string[] {
    return this.#runtime.slice(1);
  }
}

function configuration(options: ContainerOptions, rootfs: string): object {
  const { privileged } = options;
  const namespaces = privileged === undefined ? ['pid', 'mount', 'ipc', 'uts', 'network'] : ['pid', 'mount', 'uts'];
  const all = ['CAP_SYS_ADMIN', 'CAP_DAC_OVERRIDE', 'CAP_DAC_READ_SEARCH', 'CAP_CHOWN', 'CAP_FOWNER', 'CAP_KILL']
    .concat(['CAP_SETUID', 'CAP_SETGID', 'CAP_SETPCAP', 'CAP_SYS_CHROOT', 'CAP_MKNOD'])
    .concat(['CAP_NET_ADMIN', 'CAP_SYS_PTRACE', 'CAP_AUDIT_WRITE', 'CAP_NET_BIND_SERVICE']);
  const capabilities = privileged === undefined ? ['CAP_SYS_ADMIN'] : all;
  return {
    ociVersion: '1.0.2',
    process: {
      user: { uid: 0, gid: 0 },
      args: options.args,
      env: ['PATH=/usr/sbin:/usr/bin:/sbin:/bin'],
      cwd: '/',
      capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities },
    },
    root: { path: rootfs },
    hostname: 'palisade-test',
    mounts: [
      { destination: '/proc', type: 'proc', source: 'proc' },
      { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'mode=755', 'size=65536k'] },
      ...(privileged?.mounts ?? []).map(({ from, to }) => ({
        destination: to,
        type: 'bind',
        source: from,
        options: ['rbind', 'rw'],
      })),
    ],
    linux: {
      namespaces: namespaces.map((type) => ({ type })),
      ...(options.cgroupsPath === undefined ? {} : { cgroupsPath: options.cgroupsPath }),
    },
  };
}

/** A program of this machine; `undefined` where it is not installed. */
export function where(tool: string): string | undefined {
  return ['/usr/sbin', '/usr/bin', '/sbin', '/bin', '/usr/local/sbin', '/usr/local/bin']
    .map((directory) => join(directory, tool))
    .find((file) => existsSync(file));
}
