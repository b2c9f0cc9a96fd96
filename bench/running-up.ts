import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import readline from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';

/** From start to the first event watched: the engine alone takes a second or two on a busy machine. */
const startTimeoutMs = 60_000;
/** `up` promises to be gone after 15 s. */
const stopTimeoutMs = 30_000;
const root = path.dirname(path.dirname(import.meta.dirname));

export interface RunningUpOptions {
  /** File or folder with the policies to judge by. */
  readonly policies: string;
  /** Called with each line of standard output: an alert as KubeArmor's JSON. */
  readonly onAlertLine: (line: string) => void;
}

/** A `palisade up --json` of its own: own data, own pins, gone with everything it made when disposed of. */
export class RunningUp implements AsyncDisposable {
  readonly dataDirectory: string;
  readonly #child: ChildProcess;
  readonly #pinDirectory: string;

  private constructor(child: ChildProcess, dataDirectory: string, pinDirectory: string) {
    this.#child = child;
    this.dataDirectory = dataDirectory;
    this.#pinDirectory = pinDirectory;
  }

  /** Resolves when it says that it watches this machine. Throws where it does not within a minute. */
  static async start(options: RunningUpOptions): Promise<RunningUp> {
    const dataDirectory = await mkdtemp(path.join(os.tmpdir(), 'palisade-bench-'));
    const pinDirectory = `/sys/fs/bpf/${path.basename(dataDirectory)}`;
    const settings = [
      '--data-directory',
      dataDirectory,
      '--pin-directory',
      pinDirectory,
      '--policies',
      options.policies,
    ];
    const main = path.join(root, 'dist/cli/main.js');
    const child = spawn(process.execPath, ['--enable-source-maps', main, 'up', '--json', ...settings], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const said: string[] = [];
    const watching = new Promise<void>((resolve, reject) => {
      readline.createInterface({ input: child.stderr }).on('line', (line) => {
        said.push(line);
        if (line.includes('Watching this machine')) resolve();
      });
      child.once('exit', () => {
        reject(new Error(`palisade up ended:\n${said.join('\n')}`));
      });
    });
    readline.createInterface({ input: child.stdout }).on('line', options.onAlertLine);
    const up = new RunningUp(child, dataDirectory, pinDirectory);
    const timeout = AbortSignal.timeout(startTimeoutMs);
    try {
      await Promise.race([
        watching,
        once(timeout, 'abort').then(() => {
          throw new Error(`palisade up does not watch after ${startTimeoutMs} ms:\n${said.join('\n')}`);
        }),
      ]);
    } catch (error) {
      await up[Symbol.asyncDispose]();
      throw error;
    }
    return up;
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const gone = once(this.#child, 'exit');
      this.#child.kill('SIGTERM');
      const stopped = await Promise.race([gone.then(() => true), delay(stopTimeoutMs, false, { ref: false })]);
      if (!stopped) {
        this.#child.kill('SIGKILL');
        await gone;
      }
    }
    await rm(this.#pinDirectory, { recursive: true, force: true });
    await rm(this.dataDirectory, { recursive: true, force: true });
  }
}
