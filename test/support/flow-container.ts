import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { containerConfiguration } from '../../cli/demo/container-configuration.ts';
import { makeRoot } from '../../cli/demo/container.ts';
import { eventually } from './eventually.ts';

/** A root file system of this machine's own programs; removed at the end. */
export class ContainerRoot implements Disposable {
  readonly folder = mkdtempSync(path.join(os.tmpdir(), 'palisade-root-'));

  /** `merged`: /bin is a link to /usr/bin. */
  static async make(layout: 'merged' | 'unmerged'): Promise<ContainerRoot> {
    const root = new ContainerRoot();
    await makeRoot(path.join(root.folder, 'rootfs'), layout === 'merged');
    return root;
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A container by plain runc; its name is its id. Gone at the end, however it ends. */
export class RuncContainer implements AsyncDisposable {
  readonly name: string;
  output = '';
  readonly #child: ChildProcess;
  readonly #bundle: string;
  readonly #ended: Promise<number | null>;
  #errors = '';

  /** The host's /proc is at /host/proc in it. Its standard input stays open until `finish`. */
  constructor(name: string, root: ContainerRoot, command: readonly string[]) {
    this.name = name;
    this.#bundle = mkdtempSync(path.join(os.tmpdir(), 'palisade-bundle-'));
    const configuration = containerConfiguration({
      hostname: name,
      root: path.join(root.folder, 'rootfs'),
      command,
      mounts: [{ destination: '/host/proc', type: 'none', source: '/proc', options: ['rbind', 'ro'] }],
    });
    writeFileSync(path.join(this.#bundle, 'config.json'), JSON.stringify(configuration));
    const parameters = ['run', '--bundle', this.#bundle, '--pid-file', this.#pidFile, name];
    this.#child = spawn('runc', parameters, { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.output += text));
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.#errors += text));
    // Not read to its end: no error of ours.
    this.#child.stdin?.on('error', () => undefined);
    this.#ended = once(this.#child, 'close').then(([code]) => code as number | null);
    this.#ended.catch(() => undefined);
  }

  /** Pid of its first process, as the host has it, once that runs what was asked for and not runc any more. */
  async hostPid(): Promise<number> {
    return await eventually(`a first process of ${this.name}`, () => {
      if (this.#child.exitCode !== null) throw new Error(`runc ended: ${this.#errors}`);
      if (!existsSync(this.#pidFile)) return undefined;
      const pid = Number(readFileSync(this.#pidFile, 'utf8'));
      return pid > 0 && !/runc|init/u.test(readFileSync(`/proc/${pid}/cmdline`, 'utf8')) ? pid : undefined;
    });
  }

  /** Writes `line` to its standard input and closes that, waits for its end, and returns what it said. Throws unless it ended well. */
  async finish(line = ''): Promise<string> {
    this.#child.stdin?.end(`${line}\n`);
    const code = await this.#ended;
    if (code !== 0) throw new Error(`${this.name} ended with ${String(code)}: ${this.output}${this.#errors}`);
    return this.output;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Where it is gone already runc says so, and that is what we want.
    await promisify(execFile)('runc', ['delete', '--force', this.name]).catch(() => undefined);
    await this.#ended;
    rmSync(this.#bundle, { recursive: true, force: true });
  }

  get #pidFile(): string {
    return path.join(this.#bundle, 'pid');
  }
}
