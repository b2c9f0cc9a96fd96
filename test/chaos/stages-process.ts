import { spawn, type ChildProcess } from 'node:child_process';
import path from 'node:path';
import process from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';
import { packageRoot } from '../../cli/package-root.ts';
import { dataLayout } from '../../cli/data-directory.ts';
import { ownerOf } from '../../eventlog/ownership.ts';
import { childrenOf, isAlive } from '../support/linux-process.ts';
import { LogWatch } from './log-watch.ts';

/** Longest wait for anything that a healthy process does within seconds: a loaded machine is given time. */
export const patienceMs = 300_000;
/** Between two looks at positions: about what a commit takes. */
const lookEveryMs = 5;
/** What is kept of what it says. */
const maxLastWords = 16_384;
const engineCommand = /sink\/engine\/main/u;

/** One life of stages.ts. */
export class StagesProcess implements AsyncDisposable {
  readonly dataDirectory: string;
  readonly #child: ChildProcess;
  readonly #ended: Promise<string>;
  #lastWords = '';
  #expectsEnd = false;
  #watch: LogWatch | undefined;
  /** Its engine's pid when that was killed, or left alone, last. */
  #engine: number | undefined;

  /** Resolves when it owns the log. Throws where it ends before. */
  static async start(dataDirectory: string, feed: string | undefined, signal: AbortSignal): Promise<StagesProcess> {
    const started = new StagesProcess(dataDirectory, feed);
    try {
      const { log } = dataLayout(dataDirectory);
      await started.until('it owns the log', signal, () => ownerOf(log) === started.pid || undefined);
      // Not before: it is the new owner who has to put in order what a kill left.
      started.#watch = new LogWatch(log);
      return started;
    } catch (error) {
      await started[Symbol.asyncDispose]();
      throw error;
    }
  }

  private constructor(dataDirectory: string, feed: string | undefined) {
    this.dataDirectory = dataDirectory;
    const main = path.join(packageRoot(), 'dist/test/chaos/stages.js');
    const parameters = [main, dataDirectory, ...(feed === undefined ? [] : ['--feed', feed])];
    // The pipe to its standard input is its life line.
    this.#child = spawn(process.execPath, ['--enable-source-maps', ...parameters], {
      stdio: ['pipe', 'ignore', 'pipe'],
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#lastWords = (this.#lastWords + text).slice(-maxLastWords);
    });
    this.#ended = new Promise((resolve) => {
      this.#child.once('error', (error) => {
        resolve(error.message);
      });
      this.#child.once('close', (code, signal) => {
        resolve(signal ?? `exit code ${String(code)}`);
      });
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Pid of the engine's process; `undefined` while there is none. */
  get enginePid(): number | undefined {
    try {
      return isAlive(this.pid) ? childrenOf(this.pid, engineCommand)[0] : undefined;
    } catch {
      // It, or a thread of it, has ended between two looks.
      return undefined;
    }
  }

  /** Positions of its log; also after its death. */
  get watch(): LogWatch {
    if (this.#watch === undefined) throw new Error('it does not own the log yet');
    return this.#watch;
  }

  /** Looks until `look` gives something else than `undefined`. Throws where the process ends meanwhile, at an abort, and after long. */
  async until<Found>(what: string, signal: AbortSignal, look: () => Found | undefined): Promise<Found> {
    const untilMs = performance.now() + patienceMs;
    for (;;) {
      signal.throwIfAborted();
      if (this.#hasEnded() && !this.#expectsEnd)
        throw new Error(`the stages' process ended by itself (${await this.#ended}):\n${this.#lastWords}`);
      const found = look();
      if (found !== undefined) return found;
      if (performance.now() > untilMs)
        throw new Error(`not within ${patienceMs / 1000} s: ${what}\n${this.#lastWords}`);
      await delay(lookEveryMs);
    }
  }

  /** SIGKILL; resolves when it is dead. Its engine then ends by itself, sooner or later. */
  async kill(): Promise<void> {
    this.#expectsEnd = true;
    this.#engine = this.enginePid ?? this.#engine;
    this.#child.kill('SIGKILL');
    await this.#ended;
  }

  /** Closes the connection to its log: the next owner is then alone with what it finds there. */
  stopWatching(): void {
    this.#watch?.[Symbol.dispose]();
    this.#watch = undefined;
  }

  /** SIGKILL to its engine. Returns whether there was one. */
  killEngine(): boolean {
    const engine = this.enginePid;
    if (engine === undefined) return false;
    this.#engine = engine;
    try {
      process.kill(engine, 'SIGKILL');
      return true;
    } catch {
      // It has ended since it was looked for.
      return false;
    }
  }

  /** Resolves when the engine that was killed last is dead. */
  async engineIsDead(): Promise<void> {
    const untilMs = performance.now() + patienceMs;
    while (this.#engine !== undefined && isAlive(this.#engine)) {
      if (performance.now() > untilMs) throw new Error(`the engine, process ${this.#engine}, does not end`);
      await delay(lookEveryMs);
    }
  }

  /** Ends it as a person does; resolves when it and its engine are gone. Throws where it does not end well. */
  async stop(): Promise<void> {
    this.#expectsEnd = true;
    this.#engine = this.enginePid ?? this.#engine;
    this.#child.kill('SIGTERM');
    const how = await this.#ended;
    if (how !== 'exit code 0') throw new Error(`the stages' process ended with ${how}:\n${this.#lastWords}`);
    await this[Symbol.asyncDispose]();
  }

  /** Kills it where it still runs, and waits until its engine is gone, too. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    this.stopWatching();
    await this.engineIsDead();
  }

  #hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }
}
