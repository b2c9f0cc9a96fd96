import process from 'node:process';
import { exitCodes } from './exit-codes.ts';

/**
 * A second signal sooner than this is the same key press: npm forwards the SIGINT that the terminal has sent to the whole
 * process group already (@npmcli/run-script, lib/signal-manager.js).
 */
const sameKeyPressMs = 500;

/** Turns SIGINT and SIGTERM into an abort, and a second one into the end of the process. */
export class StopSignals implements Disposable {
  readonly #abort = new AbortController();
  readonly #onSecond: () => void;
  #firstMs: number | undefined;

  /** `onSecond` is called right before the process ends, to leave the terminal in order. */
  constructor(onSecond: () => void) {
    this.#onSecond = onSecond;
    process.on('SIGINT', this.#stop);
    process.on('SIGTERM', this.#stop);
  }

  /** Aborts at the first signal. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  [Symbol.dispose](): void {
    process.off('SIGINT', this.#stop);
    process.off('SIGTERM', this.#stop);
  }

  readonly #stop = (): void => {
    const nowMs = performance.now();
    if (this.#firstMs === undefined) {
      this.#firstMs = nowMs;
      this.#abort.abort();
    } else if (nowMs - this.#firstMs >= sameKeyPressMs) {
      this.#onSecond();
      process.exit(exitCodes.interrupted);
    }
  };
}
