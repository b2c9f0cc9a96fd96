import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import readline from 'node:readline';
import { testProgram } from './programs.ts';

/** One file that was created, and when: CLOCK_BOOTTIME around the call. */
export interface SteadyOpen {
  readonly name: string;
  readonly beforeNs: bigint;
  readonly afterNs: bigint;
}

/** test/programs/opens.c at work: creates one file after the other at a steady rate, until it is stopped. */
export class SteadyOpens implements AsyncDisposable {
  readonly opens: SteadyOpen[] = [];
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;

  constructor(options: { readonly directory: string; readonly perSecond: number }) {
    this.#child = spawn(testProgram('opens'), [options.directory, String(options.perSecond)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#ended = once(this.#child, 'close');
    if (this.#child.stdout === null) throw new Error('the program has no output');
    readline.createInterface({ input: this.#child.stdout }).on('line', (line) => {
      const [number = '', before = '', after = ''] = line.split(' ');
      const name = `alert-${number.padStart(6, '0')}`;
      this.opens.push({ name, beforeNs: BigInt(before), afterNs: BigInt(after) });
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Ends the program; all of its opens are then in `opens`. */
  async stop(): Promise<void> {
    this.#child.kill('SIGTERM');
    await this.#ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}
