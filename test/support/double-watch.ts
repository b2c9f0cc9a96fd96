import { setTimeout as delay } from 'node:timers/promises';
import type { FlowHome } from './flow-home.ts';

/** Between two looks. */
const lookEveryMs = 100;

export interface DoubleWatchResult {
  /** Looks that got an answer. */
  readonly looks: number;
  /** Ids that were seen more than once, at whatever time. */
  readonly doubles: readonly string[];
}

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

  async end(): Promise<DoubleWatchResult> {
    this.#stop.abort();
    await this.#done;
    return { looks: this.#looks, doubles: [...this.#doubles] };
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
