import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';
import { packageRoot } from '../../cli/package-root.ts';
import { patienceMs } from './eventually.ts';
import { childrenOf, isAlive } from './linux-process.ts';

const engineCommand = /sink\/engine\/main/u;

/** How a finished command ended. */
export interface Outcome {
  /** `null`: by a signal. */
  readonly code: number | null;
  readonly output: string;
  readonly errors: string;
}

/** How a command is started, where not as itself. */
export interface StartOptions {
  /** Program and arguments that start it, such as `setpriv`. */
  readonly through?: readonly string[];
  /** Instead of this process's own environment. */
  readonly environment?: Readonly<Record<string, string>>;
  /** In a pseudo terminal, made by script(1): `output` is then what the screen is sent, and `type` is the keyboard. */
  readonly terminal?: boolean;
}

/** A data directory and pin directory of a test's own; what was started with them is ended, and they are removed, at the end. */
export class PalisadeHome implements AsyncDisposable {
  readonly dataDirectory = mkdtempSync(path.join(os.tmpdir(), 'palisade-test-'));
  readonly pinDirectory = path.join('/sys/fs/bpf', path.basename(this.dataDirectory));
  readonly #started: PalisadeProcess[] = [];

  /** Starts `palisade` with this home. */
  start(arguments_: readonly string[], options: StartOptions = {}): PalisadeProcess {
    const [command = '', ...rest] = arguments_;
    const settings = ['--data-directory', this.dataDirectory, '--pin-directory', this.pinDirectory];
    const started = new PalisadeProcess([command, ...settings, ...rest], options);
    this.#started.push(started);
    return started;
  }

  /** Runs `palisade` to its end. */
  async run(arguments_: readonly string[], options: StartOptions = {}): Promise<Outcome> {
    return this.start(arguments_, options).ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const started of this.#started) await started.end();
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

  constructor(arguments_: readonly string[], options: StartOptions = {}) {
    const main = path.join(packageRoot(), 'dist/cli/main.js');
    const command = [...(options.through ?? []), process.execPath, '--enable-source-maps', main, ...arguments_];
    const [program = process.execPath, ...rest] = options.terminal === true ? inTerminal(command) : command;
    const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('PALISADE_'));
    this.#child = spawn(program, rest, {
      env: options.environment ?? Object.fromEntries(inherited),
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.#child.stdout?.setEncoding('utf8').on('data', (data: string) => (this.output += data));
    this.#child.stderr?.setEncoding('utf8').on('data', (data: string) => (this.errors += data));
    this.ended = new Promise((resolve, reject) => {
      this.#child.on('error', reject);
      this.#child.on('close', (code) => {
        resolve({ code, output: this.output, errors: this.errors });
      });
    });
    // Awaited by who cares for it.
    this.ended.catch(() => undefined);
  }

  /** Of the process itself, also where it runs in a terminal. */
  get pid(): number {
    const started = this.#child.pid ?? 0;
    return (isAlive(started) ? childrenOf(started, /^\S*\/node .*cli\/main\.js /u)[0] : undefined) ?? started;
  }

  /** Pid of the ClickHouse engine's process; `undefined` while there is none. */
  get enginePid(): number | undefined {
    const { pid } = this;
    return isAlive(pid) ? childrenOf(pid, engineCommand)[0] : undefined;
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Types at its keyboard, where it was started through a terminal. */
  type(text: string): void {
    this.#child.stdin?.write(text);
  }

  /** Kills it, if it still runs, and waits until its engine is gone as well. */
  async end(): Promise<void> {
    const engine = this.enginePid;
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      // In a terminal it is not our child: script(1) then ends by itself.
      process.kill(this.pid, 'SIGKILL');
    }
    await this.ended;
    // It ends by itself when the one that started it is gone.
    const untilMs = performance.now() + patienceMs;
    while (engine !== undefined && isAlive(engine)) {
      if (performance.now() > untilMs) throw new Error(`the engine, process ${engine}, outlives its owner`);
      await delay(20);
    }
  }

  /** Resolves when one of its outputs matches; throws with all that was said where that takes too long, or the process ends. */
  async says(pattern: RegExp): Promise<void> {
    const untilMs = performance.now() + patienceMs;
    while (!pattern.test(this.output) && !pattern.test(this.errors)) {
      const gone = this.#child.exitCode !== null || this.#child.signalCode !== null;
      if (performance.now() > untilMs || gone)
        throw new Error(`palisade did not say ${String(pattern)}:\n${this.output}\n${this.errors}`);
      await delay(20);
    }
  }
}

/** The command as script(1) runs it, with its exit code. */
function inTerminal(command: readonly string[]): readonly string[] {
  const line = command.map((word) => `'${word.replaceAll("'", String.raw`'\''`)}'`).join(' ');
  return ['script', '--quiet', '--return', '--flush', '--command', `exec ${line}`, '/dev/null'];
}
