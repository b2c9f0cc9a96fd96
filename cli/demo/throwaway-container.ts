import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { printable } from '../../runtime/printable.ts';
import { containerConfiguration, type ContainerMount } from './container-configuration.ts';

const run = promisify(execFile);
/** Where Debian and others keep what a user's PATH may lack. */
const toolFolders = ['/usr/sbin', '/usr/bin', '/sbin', '/bin', '/usr/local/sbin', '/usr/local/bin'];

export interface ThrowawayContainer {
  readonly name: string;
  /** Fills the root file system. */
  readonly makeRoot: (root: string) => Promise<void>;
  /** The first process, as the container sees it. */
  readonly command: readonly string[];
  /** Beside /proc and an empty /dev. */
  readonly mounts?: readonly ContainerMount[];
  /** The first process's standard input. */
  readonly input: string;
  /** One that lives longer is ended. In milliseconds. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** Absolute path of a program of this machine; `undefined` where there is none. */
export function findTool(name: string): string | undefined {
  return toolFolders.map((folder) => path.join(folder, name)).find((file) => existsSync(file));
}

/** As `findTool`, for what was found before. Throws where it is gone. */
export function neededTool(name: string): string {
  const file = findTool(name);
  if (file === undefined) throw new Error(`${name} is gone since it was looked for`);
  return file;
}

/**
 * Runs a container to its end and removes every trace of it: namespaces of its own, no capabilities, no network but a
 * loopback. Resolves to its standard output. Throws `ContainerFailed` where runc or the first process failed.
 */
export async function runThrowaway(container: ThrowawayContainer): Promise<string> {
  const bundle = await mkdtemp(path.join(os.tmpdir(), 'palisade-demo-'));
  const runc = neededTool('runc');
  const remove = (): Promise<unknown> => run(runc, ['delete', '--force', container.name]).catch(() => undefined);
  try {
    const root = path.join(bundle, 'rootfs');
    await mkdir(root);
    await container.makeRoot(root);
    const { name, command, mounts } = container;
    const configuration = containerConfiguration({ hostname: name, root: 'rootfs', command, mounts });
    await writeFile(path.join(bundle, 'config.json'), JSON.stringify(configuration));
    // One that an interrupted run left behind would hold the name; where there is none, runc says so and that is fine.
    await remove();
    return await runContainer(runc, bundle, container);
  } finally {
    await remove();
    await rm(bundle, { recursive: true, force: true });
  }
}

/** What runc said when it could not run a container, or when the container's first process failed. */
export class ContainerFailed extends Error {
  override readonly name = 'ContainerFailed';

  constructor(code: number | null, complaint: string) {
    super(`runc ended with ${String(code)}: ${printable(complaint.trim())}`);
  }
}

async function runContainer(runc: string, bundle: string, container: ThrowawayContainer): Promise<string> {
  const child = spawn(runc, ['run', '--bundle', bundle, container.name], {
    stdio: ['pipe', 'pipe', 'pipe'],
    signal: AbortSignal.any([container.signal, AbortSignal.timeout(container.timeoutMs)]),
  });
  let output = '';
  let complaint = '';
  child.stdout.on('data', (data: Buffer) => (output += data.toString()));
  child.stderr.on('data', (data: Buffer) => (complaint += data.toString()));
  // It may end before it has read everything; that is no error of ours.
  child.stdin.on('error', () => undefined);
  child.stdin.end(container.input);
  await new Promise<void>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve();
      else reject(new ContainerFailed(code, complaint));
    });
  });
  return output;
}
