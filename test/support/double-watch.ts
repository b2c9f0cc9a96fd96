import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from './eventually.ts';
import type { FlowHome } from './flow-home.ts';

/** Between two looks. */
const lookEveryMs = 100;

/** Asks, again and again while alerts flow and whatever dies meanwhile, whether any alert is shown twice. */
export class DoubleWatch implements AsyncDisposable {
  readonly #stop = new AbortController();
  readonly #doubles = new Set<string>();
  readonly #done: Promise<void>;
  #looks = 0;

  constructor(home: FlowHome) {
    this.#done = this.#watch(home);
    this.#done.catch(() => undefined);
  }

  /** Resolves when so many looks got an answer: for a test to wait for while alerts still flow. */
  async looked(times: number): Promise<void> {
    await eventually(`${times} looks for doubles`, () => (this.#looks >= times ? true : undefined));
  }

  /** Ids that were seen more than once, at whatever time. */
  async end(): Promise<readonly string[]> {
    this.#stop.abort();
    await this.#done;
    return [...this.#doubles];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
  }

  async #watch(home: FlowHome): Promise<void> {
    const query = 'SELECT id, count() AS times FROM alerts GROUP BY id HAVING times > 1';
    while (!this.#stop.signal.aborted) {
      try {
        for (const row of await home.rows<{ readonly id: string }>(query)) this.#doubles.add(row.id);
        this.#looks += 1;
      } catch {
        // The engine, or who owns it, is dead at the moment: that is what the test is about. Looks that got an answer are counted.
      }
      await delay(lookEveryMs, undefined, { signal: this.#stop.signal }).catch(() => undefined);
    }
  }
}
