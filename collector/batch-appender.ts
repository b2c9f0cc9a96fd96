import type { EventLog, OutputRecord } from '../eventlog/event-log.ts';
import { retry } from '../runtime/retry.ts';

interface Waiting {
  readonly record: OutputRecord;
  readonly appended: () => void;
}

/** Batches that may wait for the log: at 100 KB each, under 2 MB. Beyond it nobody reads the ring, and the kernel counts. */
const waitingMax = 16;
/** The log is away: tried again at first after a moment, then every few seconds, for as long as the collector runs. */
const retryDelays = { firstDelayMs: 50, maxDelayMs: 5000, maxAttempts: Infinity };

/**
 * Appends batches in their order, one call at a time; what came meanwhile goes with the next call. A call that fails is
 * repeated as it was, so nothing overtakes.
 */
export class BatchAppender {
  readonly #log: Pick<EventLog, 'append'>;
  readonly #signal: AbortSignal;
  readonly #onRetry: (error: unknown) => void;
  #waiting: Waiting[] = [];
  #running: Promise<void> | undefined;
  #failure: { readonly error: unknown } | undefined;

  /** `signal` gives up: what is not appended then never is by this appender. */
  constructor(log: Pick<EventLog, 'append'>, signal: AbortSignal, onRetry: (error: unknown) => void) {
    this.#log = log;
    this.#signal = signal;
    this.#onRetry = onRetry;
  }

  /** Takes a batch; `appended` is called when the log has it. Waits while too many wait. Throws what an append threw. */
  async push(record: OutputRecord, appended: () => void): Promise<void> {
    this.#check();
    this.#waiting.push({ record, appended });
    this.#running ??= this.#run();
    while (this.#waiting.length >= waitingMax) await this.#settled();
  }

  /** Resolves when everything that was pushed is appended. Throws what an append threw. */
  async flush(): Promise<void> {
    while (this.#running !== undefined) await this.#settled();
    this.#check();
  }

  /**
   * Resolves when the append underway has ended. Throws what an append threw, or why this was given up: a log that never
   * answers must not hold up the end.
   */
  async #settled(): Promise<void> {
    const signal = this.#signal;
    signal.throwIfAborted();
    // Not a race against one promise of the signal: each would leave its reactions there for the collector's life.
    await new Promise<void>((resolve, reject) => {
      const giveUp = (): void => {
        reject(signal.reason as Error);
      };
      signal.addEventListener('abort', giveUp, { once: true });
      void Promise.resolve(this.#running).then(() => {
        signal.removeEventListener('abort', giveUp);
        resolve();
      });
    });
    this.#check();
  }

  #check(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** Never rejects: who pushes next, or flushes, gets to know. */
  async #run(): Promise<void> {
    const batch = this.#waiting;
    this.#waiting = [];
    try {
      await retry(() => this.#log.append(batch.map(({ record }) => record)), {
        ...retryDelays,
        signal: this.#signal,
        onRetry: this.#onRetry,
      });
      for (const { appended } of batch) appended();
    } catch (error) {
      this.#failure = { error };
    }
    this.#running = this.#waiting.length > 0 && this.#failure === undefined ? this.#run() : undefined;
  }
}
