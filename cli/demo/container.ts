import { execFile } from 'node:child_process';
import { chmod, copyFile, mkdir, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { demoContainerName, entryScript, storyRequest, vulnerablePage } from './story.ts';
import { findTool, neededTool, runThrowaway } from './throwaway-container.ts';

const run = promisify(execFile);
/** A container that plays the story lives for well under a second; one that hangs is ended. */
const containerTimeoutMs = 60_000;
/** Programs of this machine that the container runs, with the Debian packages that have them. */
const toolPackages = {
  runc: 'runc',
  busybox: 'busybox-static',
  dash: 'dash',
  ls: 'coreutils',
  cat: 'coreutils',
  dpkg: 'dpkg',
} as const;
type Tool = keyof typeof toolPackages;

/** What dpkg knows: see dpkg(1), "--get-selections". */
const installedPackages = `Package: dash
Status: install ok installed
Architecture: amd64
Maintainer: nobody <nobody@example.org>
Version: 1
Description: a shell
`;

/** What is missing on this machine to run the demo's container, each as a sentence; empty where nothing is. */
export function missingForContainer(): readonly string[] {
  const missing = (Object.keys(toolPackages) as Tool[])
    .filter((tool) => findTool(tool) === undefined)
    .map((tool) => `${tool} is not installed (Debian package ${toolPackages[tool]}).`);
  return process.getuid?.() === 0 ? missing : ['Running a container needs root.', ...missing];
}

/**
 * Makes a root file system of this machine's own programs: dash, ls, cat, dpkg with their libraries, and busybox as what a
 * small image has it for. `merged` chooses between Debian's layout (/bin is a link to /usr/bin) and the older one of separate
 * folders.
 */
export async function makeRoot(root: string, merged: boolean): Promise<void> {
  const folders = ['etc', 'proc', 'dev', 'tmp', 'usr/bin', 'usr/sbin', 'usr/lib', 'srv/www/cgi-bin', 'var/lib/dpkg'];
  for (const folder of [...folders, 'run/secrets/kubernetes.io/serviceaccount'])
    await mkdir(path.join(root, folder), { recursive: true });
  for (const folder of ['bin', 'sbin', 'lib', 'lib64']) {
    if (merged) await symlink(`usr/${folder}`, path.join(root, folder));
    await mkdir(path.join(root, merged ? `usr/${folder}` : folder), { recursive: true });
  }
  for (const [tool, folder] of [
    ['dash', 'bin'],
    ['ls', 'bin'],
    ['cat', 'bin'],
    ['dpkg', 'usr/bin'],
  ] as const) {
    await copyFile(neededTool(tool), path.join(root, folder, tool));
    for (const library of await librariesOf(neededTool(tool))) {
      await mkdir(path.join(root, path.dirname(library)), { recursive: true });
      await copyFile(library, path.join(root, library));
    }
  }
  await symlink('dash', path.join(root, 'bin/sh'));
  for (const applet of ['usr/sbin/httpd', 'usr/bin/wget', 'usr/bin/nc', 'bin/cp', 'bin/mv', 'bin/rm'])
    await copyFile(neededTool('busybox'), path.join(root, applet));
  await writeFile(path.join(root, 'etc/hostname'), `${demoContainerName}\n`);
  await writeFile(path.join(root, 'var/lib/dpkg/status'), installedPackages);
  await writeFile(path.join(root, 'etc/shadow'), 'root:*:19000:0:99999:7:::\n', { mode: 0o640 });
  await writeFile(path.join(root, 'run/secrets/kubernetes.io/serviceaccount/token'), 'not-a-real-token\n');
  for (const [file, script] of [
    ['srv/start', entryScript],
    ['srv/www/cgi-bin/status', vulnerablePage],
  ] as const) {
    await writeFile(path.join(root, file), script);
    await chmod(path.join(root, file), 0o755);
  }
}

/** Absolute paths of the shared libraries and the loader of a program, as `ldd` resolves them. */
async function librariesOf(program: string): Promise<readonly string[]> {
  const { stdout } = await run('ldd', [program]);
  return [...stdout.matchAll(/(?:=> )?(\/\S+) \(0x/gu)].map(([, library = '']) => library);
}

/** Plays the story in a container of its own and removes every trace of it. Resolves to what the visitor was answered. */
export async function playStory(options: { readonly merged: boolean; readonly signal: AbortSignal }): Promise<string> {
  return await runThrowaway({
    name: demoContainerName,
    makeRoot: (root) => makeRoot(root, options.merged),
    command: ['/srv/start'],
    input: storyRequest(),
    timeoutMs: containerTimeoutMs,
    signal: options.signal,
  });
}
