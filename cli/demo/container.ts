import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { demoContainerName, storyRequest, vulnerablePage } from './story.ts';

const run = promisify(execFile);
/** A container that plays the story lives for well under a second; one that hangs is ended. */
const containerTimeoutMs = 20_000;
/** Where Debian and others keep what a user's PATH may lack. */
const toolFolders = ['/usr/sbin', '/usr/bin', '/sbin', '/bin', '/usr/local/sbin', '/usr/local/bin'];
const toolPackages = {
  runc: 'runc',
  busybox: 'busybox-static',
  dash: 'dash',
  ls: 'coreutils',
  cat: 'coreutils',
} as const;
type Tool = keyof typeof toolPackages;

function find(tool: Tool): string | undefined {
  return toolFolders.map((folder) => path.join(folder, tool)).find((file) => existsSync(file));
}

function needed(tool: Tool): string {
  const file = find(tool);
  if (file === undefined) throw new Error(`${tool} is gone since it was looked for`);
  return file;
}

/** What is missing on this machine to run the demo's container, each as a sentence; empty where nothing is. */
export function missingForContainer(): readonly string[] {
  const missing = (Object.keys(toolPackages) as Tool[])
    .filter((tool) => find(tool) === undefined)
    .map((tool) => `${tool} is not installed (Debian package ${toolPackages[tool]}).`);
  return process.getuid?.() === 0 ? missing : ['Running a container needs root.', ...missing];
}

/**
 * Makes a root file system of this machine's own programs: dash, ls, cat with their libraries, and busybox as httpd and
 * wget. `merged` chooses between Debian's layout (/bin is a link to /usr/bin) and the older one of separate folders.
 */
export async function makeRoot(root: string, merged: boolean): Promise<void> {
  const folders = ['etc', 'proc', 'dev', 'tmp', 'usr/bin', 'usr/sbin', 'usr/lib', 'srv/www/cgi-bin'];
  for (const folder of [...folders, 'run/secrets/kubernetes.io/serviceaccount'])
    await mkdir(path.join(root, folder), { recursive: true });
  for (const folder of ['bin', 'sbin', 'lib', 'lib64']) {
    if (merged) await symlink(`usr/${folder}`, path.join(root, folder));
    await mkdir(path.join(root, merged ? `usr/${folder}` : folder), { recursive: true });
  }
  for (const tool of ['dash', 'ls', 'cat'] as const) {
    await copyFile(needed(tool), path.join(root, 'bin', tool));
    for (const library of await librariesOf(needed(tool))) {
      await mkdir(path.join(root, path.dirname(library)), { recursive: true });
      await copyFile(library, path.join(root, library));
    }
  }
  await symlink('dash', path.join(root, 'bin/sh'));
  await copyFile(needed('busybox'), path.join(root, 'usr/sbin/httpd'));
  await copyFile(needed('busybox'), path.join(root, 'usr/bin/wget'));
  await copyFile(needed('busybox'), path.join(root, 'bin/cp'));
  await writeFile(path.join(root, 'etc/hostname'), `${demoContainerName}\n`);
  await writeFile(path.join(root, 'etc/shadow'), 'root:*:19000:0:99999:7:::\n', { mode: 0o640 });
  await writeFile(path.join(root, 'run/secrets/kubernetes.io/serviceaccount/token'), 'not-a-real-token\n');
  await writeFile(path.join(root, 'srv/www/cgi-bin/status'), vulnerablePage);
  await chmod(path.join(root, 'srv/www/cgi-bin/status'), 0o755);
}

/** Absolute paths of the shared libraries and the loader of a program, as `ldd` resolves them. */
async function librariesOf(program: string): Promise<readonly string[]> {
  const { stdout } = await run('ldd', [program]);
  return [...stdout.matchAll(/(?:=> )?(\/\S+) \(0x/gu)].map(([, library = '']) => library);
}

/** Plays the story in a container of its own and removes every trace of it. Resolves to the container's standard output. */
export async function playStory(options: { readonly merged: boolean; readonly signal: AbortSignal }): Promise<string> {
  const bundle = await mkdtemp(path.join(os.tmpdir(), 'palisade-demo-'));
  const runc = needed('runc');
  try {
    await makeRoot(path.join(bundle, 'rootfs'), options.merged);
    await writeFile(path.join(bundle, 'config.json'), JSON.stringify(containerConfig()));
    // One that an interrupted demo left behind would hold the name; where there is none, runc says so and that is fine.
    await run(runc, ['delete', '--force', demoContainerName]).catch(() => undefined);
    return await runContainer(runc, bundle, options.signal);
  } finally {
    await run(runc, ['delete', '--force', demoContainerName]).catch(() => undefined);
    await rm(bundle, { recursive: true, force: true });
  }
}

async function runContainer(runc: string, bundle: string, signal: AbortSignal): Promise<string> {
  const ended = AbortSignal.any([signal, AbortSignal.timeout(containerTimeoutMs)]);
  const child = spawn(runc, ['run', '--bundle', bundle, demoContainerName], {
    stdio: ['pipe', 'pipe', 'pipe'],
    signal: ended,
  });
  let output = '';
  let complaint = '';
  child.stdout.on('data', (data: Buffer) => (output += data.toString()));
  child.stderr.on('data', (data: Buffer) => (complaint += data.toString()));
  // The web server answers and closes; what it did not read any more is no error of ours.
  child.stdin.on('error', () => undefined);
  child.stdin.end(storyRequest());
  await new Promise<void>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve();
      else reject(new Error(`runc ended with ${String(code)}: ${complaint.trim()}`));
    });
  });
  return output;
}

/** An OCI runtime configuration (runtime-spec 1.0.2) with its own namespaces, no capabilities and no network. */
function containerConfig(): object {
  return {
    ociVersion: '1.0.2',
    process: {
      user: { uid: 0, gid: 0 },
      args: ['/usr/sbin/httpd', '-i', '-h', '/srv/www'],
      env: ['PATH=/usr/sbin:/usr/bin:/sbin:/bin'],
      cwd: '/',
      noNewPrivileges: true,
    },
    root: { path: 'rootfs' },
    hostname: demoContainerName,
    mounts: [
      { destination: '/proc', type: 'proc', source: 'proc' },
      { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'mode=755', 'size=65536k'] },
    ],
    linux: { namespaces: ['pid', 'mount', 'ipc', 'uts', 'network'].map((type) => ({ type })) },
  };
}
