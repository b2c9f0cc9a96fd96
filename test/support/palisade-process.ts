import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';
import { packageRoot } from '../../cli/package-root.ts';

/** How a finished command ended. */
export interface Outcome {
  readonly code: number | null;
  readonly output: string;
  readonly errors: string;
}

/** A data directory and pin directory of a test's own, removed at the end. */
export class PalisadeHome implements AsyncDisposable {
  readonly #started: PalisadeProcess[] = [];
  readonly dataDirectory = mkdtempSync(path.join(os.tmpdir(), 'palisade-test-'));
  readonly pinDirectory = path.join('/sys/fs/bpf', path.basename(this.dataDirectory));

  /** Starts `palisade` with this home. */
  start(arguments_: readonly string[]): PalisadeProcess {
    const [command = '', ...rest] = arguments_;
    const settings = ['--data-directory', this.dataDirectory, '--pin-directory', this.pinDirectory];
    const started = new PalisadeProcess([command, ...settings, ...rest]);
    this.#started.push(started);
    return started;
  }

  /** Runs `palisade` to its end. */
  async run(arguments_: readonly string[]): Promise<Outcome> {
    return this.start(arguments_).ended;
  }

  /** Ends what a failed test left running. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const started of this.#started) started.kill('SIGKILL');
    await Promise.all(this.#started.map((started) => started.ended));
    rmSync(this.dataDirectory, { recursive: true, force: true });
    rmSync(this.pinDirectory, { recursive: true, force: true });
  }
}

/** A running `palisade`. */
export class PalisadeProcess {
  readonly ended: Promise<Outcome>;
  output = '';
  errors = '';
  readonly #child: ChildProcess;

  constructor(arguments_: readonly string[]) {
    const main = path.join(packageRoot(), 'dist/cli/main.js');
    const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('PALISADE_'));
    this.#child = spawn(process.execPath, ['--enable-source-maps', main, ...arguments_], {
      env: Object.fromEntries(inherited),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child.stdout?.on('data', (data: Buffer) => (this.output += data.toString()));
    this.#child.stderr?.on('data', (data: Buffer) => (this.errors += data.toString()));
    this.ended = new Promise((resolve, reject) => {
      this.#child.on('error', reject);
      this.#child.on('close', (code) => {
        resolve({ code, output: this.output, errors: this.errors });
      });
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Resolves when the standard output matches; throws with all that was said where that takes too long, or the process ends. */
  async says(pattern: RegExp, timeoutMs = 30_000): Promise<void> {
    const untilMs = performance.now() + timeoutMs;
    while (!pattern.test(this.output)) {
      if (performance.now() > untilMs || this.#child.exitCode !== null)
        throw new Error(`palisade did not say ${String(pattern)}:\n${this.output}\n${this.errors}`);
      await delay(20);
    }
  }
}
