import { syncBuiltinESMExports } from 'node:module';
import timersPromises from 'node:timers/promises';

/** Comes to pass when whoever orders the steps says so. */
export type Step = (label: string) => Promise<void>;

/** Waits as long as this never end in a model: nobody there waits for hours. Milliseconds. */
export const neverMs = 2 ** 30;

const realSetImmediate = setImmediate;

/** Resolves when all that can go on without a further step has done so. */
export function settled(): Promise<void> {
  return new Promise((resolve) => {
    realSetImmediate(resolve);
  });
}

/**
 * Puts steps in the place of this thread's timers, and stops its clocks, until it is disposed: what waits for a time goes
 * on at any time, before or after anything else, and the same choices give the same run on every machine.
 */
export class SteppedTime implements Disposable {
  readonly #real = {
    setTimeout: globalThis.setTimeout,
    clearTimeout: globalThis.clearTimeout,
    setInterval: globalThis.setInterval,
    clearInterval: globalThis.clearInterval,
    setImmediate: globalThis.setImmediate,
    now: Date.now,
    performanceNow: performance.now.bind(performance),
    delay: timersPromises.setTimeout,
  };
  readonly #cleared = new Set<unknown>();
  #intervals: (() => void)[] = [];
  #step: Step;

  constructor() {
    this.#step = () => Promise.reject(new Error('nobody orders the steps'));
    const timer = (): unknown => {
      const handle = { ref: () => handle, unref: () => handle };
      return handle;
    };
    const replaced = {
      setTimeout: (action: () => void, ms: number) => {
        const handle = timer();
        if (ms < neverMs) {
          void this.#step('a timer runs out').then(() => {
            if (!this.#cleared.delete(handle)) action();
          });
        }
        return handle;
      },
      clearTimeout: (handle: unknown) => {
        this.#cleared.add(handle);
      },
      setInterval: (action: () => void) => {
        this.#intervals.push(action);
        return timer();
      },
      clearInterval: () => undefined,
      setImmediate: (action: () => void) => {
        void this.#step('its next turn').then(action);
      },
    };
    Object.assign(globalThis, replaced);
    Date.now = () => 0;
    performance.now = () => 0;
    const delay = async (
      _ms: number,
      value?: unknown,
      options?: { readonly signal?: AbortSignal },
    ): Promise<unknown> => {
      const { signal } = options ?? {};
      await Promise.race([this.#step('a wait ends'), aborted(signal)]);
      signal?.throwIfAborted();
      return value;
    };
    Object.assign(timersPromises, { setTimeout: delay });
    syncBuiltinESMExports();
  }

  /** From now on `step` orders what waits; what waited before waits for good. */
  orderBy(step: Step): void {
    this.#step = step;
    this.#intervals = [];
    this.#cleared.clear();
  }

  /** What is done again and again is done once. */
  tick(): void {
    for (const action of this.#intervals) action();
  }

  [Symbol.dispose](): void {
    const { now, performanceNow, delay, ...timers } = this.#real;
    Object.assign(globalThis, timers);
    Date.now = now;
    performance.now = performanceNow;
    Object.assign(timersPromises, { setTimeout: delay });
    syncBuiltinESMExports();
  }
}

function aborted(signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) resolve();
    signal?.addEventListener('abort', () => {
      resolve();
    });
  });
}
