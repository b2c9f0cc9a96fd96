import type { Logger } from '../runtime/logger.ts';
import type { RetryOptions } from '../runtime/retry.ts';
import type { EventLog } from './event-log.ts';
import type { StageMetrics } from './stage-metrics.ts';

/** What the runner gives to the loop of one stage. */
export interface StageContext {
  readonly log: EventLog;
  readonly logger: Logger;
  readonly metrics: StageMetrics;
  /** Ends the loop at once; what was not committed comes again at the next start. */
  readonly signal: AbortSignal;
  /** Ends the loop when all that is there by then has been handled; where `handsOver`, after the batch in hand. */
  readonly drain: AbortSignal;
  readonly handsOver: boolean;
}

/** Waits of what is tried again until it succeeds or the stage ends: a server that was away is found within seconds. */
export function untilItSucceeds(context: StageContext, what: string): RetryOptions {
  return {
    firstDelayMs: 50,
    maxDelayMs: 5000,
    maxAttempts: Infinity,
    signal: context.signal,
    onRetry: (error, attempt, delayMs) => {
      context.metrics.failed(error);
      context.logger.warn({ err: error, attempt, delayMs: Math.round(delayMs) }, `${what} failed, trying again`);
    },
  };
}

/** Whether the loop is to end now, between two batches. */
export function isHandingOver({ drain, handsOver }: StageContext): boolean {
  return handsOver && drain.aborted;
}
