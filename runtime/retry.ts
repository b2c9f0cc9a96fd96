import { setTimeout as delay } from 'node:timers/promises';
import { isRetriable } from './errors.ts';

export interface RetryOptions {
  /** Upper bound of the first wait, milliseconds; it doubles with each attempt. */
  readonly firstDelayMs: number;
  /** No wait is longer, milliseconds. */
  readonly maxDelayMs: number;
  /** How often `action` is called at most; `Infinity` where only `signal` ends it. */
  readonly maxAttempts: number;
  /** Ends a wait at once; the last error is then thrown. */
  readonly signal: AbortSignal;
  /** Called before each wait, for a log line and a counter. */
  readonly onRetry?: (error: unknown, attempt: number, delayMs: number) => void;
}

/**
 * Calls `action` until it resolves, for as long as it throws what `isRetriable` says may succeed later. Exponential with
 * full jitter, so that many who lost the same server do not come back together
 * (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/). Throws the last error. The only retry
 * loop of the project.
 */
export async function retry<Result>(
  action: (attempt: number) => Promise<Result>,
  options: RetryOptions,
): Promise<Result> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await action(attempt);
    } catch (error) {
      if (!isRetriable(error) || attempt >= options.maxAttempts || options.signal.aborted) throw error;
      const delayMs = backoffMs(attempt, options);
      options.onRetry?.(error, attempt, delayMs);
      try {
        await delay(delayMs, undefined, { signal: options.signal });
      } catch {
        // Only an abort rejects the wait: what the caller needs to see is why we were waiting.
        throw error;
      }
    }
  }
}

/** The wait after attempt number `attempt` (from 1): uniform in [0, min(max, first · 2^(attempt−1))), milliseconds. */
export function backoffMs(attempt: number, options: Pick<RetryOptions, 'firstDelayMs' | 'maxDelayMs'>): number {
  return Math.random() * Math.min(options.maxDelayMs, options.firstDelayMs * 2 ** (attempt - 1));
}
