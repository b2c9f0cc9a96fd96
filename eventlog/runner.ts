import { PalisadeError } from '../runtime/errors.ts';
import type { Logger } from '../runtime/logger.ts';
import type { Metrics } from '../runtime/metrics.ts';
import type { EventLog } from './event-log.ts';
import { runProcessor } from './processor-loop.ts';
import { runSink } from './sink-loop.ts';
import type { StageContext } from './stage-context.ts';
import { StageMetrics } from './stage-metrics.ts';
import type { ProcessorStage, SinkStage, SourceStage } from './stage.ts';

export type Stage = SourceStage | ProcessorStage | SinkStage;

export interface RunStagesOptions {
  readonly logger: Logger;
  readonly metrics: Metrics;
  /**
   * How long draining may take, milliseconds; then what has not been handled is left for the next start. Default 10 s,
   * a third of what Kubernetes gives a pod.
   */
  readonly drainMs?: number;
  /**
   * Whether other instances go on with what is left: each stage then ends after the batch in hand, in place of handling all that
   * was appended before. Default false.
   */
  readonly handsOver?: boolean;
}

const defaultDrainMs = 10_000;

/** What a stage gets to return in once everything has been told to end at once, milliseconds. */
const graceMs = 1000;

interface RunningStage {
  readonly stage: Stage;
  readonly drain: AbortController;
  readonly done: Promise<void>;
  hasReturned: boolean;
}

/**
 * Runs `stages` on `log` until `signal` aborts, then drains: the sources end first, then each processor in the order
 * given handles what was appended before, then the sinks; all in `drainMs`. A stage that throws ends all of them in the
 * same way, and its error is thrown. Resolves when every stage has returned or `drainMs` is over, to whether all had returned by
 * themselves: else something is left for the next start.
 */
export async function runStages(
  stages: readonly Stage[],
  log: EventLog,
  options: RunStagesOptions,
  signal: AbortSignal,
): Promise<boolean> {
  const names = stages.map(({ name }) => name);
  // A stage's name is its group: the second one of a name would wait for the first one to leave.
  if (new Set(names).size < names.length) throw new TypeError(`two stages of one name among ${names.join(', ')}`);
  const abandon = new AbortController();
  const failures: unknown[] = [];
  let stop: () => void = () => undefined;
  const stopped = new Promise<void>((resolve) => {
    stop = resolve;
  });
  if (signal.aborted) stop();
  signal.addEventListener('abort', stop);

  const running = stages.map((stage) =>
    start(stage, log, options, abandon.signal, (error) => {
      failures.push(error);
      stop();
    }),
  );
  const allReturned = Promise.all(running.map(({ done }) => done));
  await Promise.race([stopped, allReturned]);
  signal.removeEventListener('abort', stop);

  const bound = setTimeout(() => {
    abandon.abort();
  }, options.drainMs ?? defaultDrainMs);
  for (const tier of tiersOf(running)) {
    for (const { drain } of tier) drain.abort();
    await returned(tier, abandon.signal);
  }
  clearTimeout(bound);
  const isDrained = !abandon.signal.aborted;
  abandon.abort();
  for (const { stage, hasReturned } of running) {
    if (!hasReturned) options.logger.error({ stage: stage.name }, 'a stage did not end in time and was left behind');
  }
  if (failures.length === 1) throw failures[0];
  if (failures.length > 1) throw new AggregateError(failures, 'several stages failed');
  return isDrained;
}

function start(
  stage: Stage,
  log: EventLog,
  options: RunStagesOptions,
  abandoned: AbortSignal,
  failed: (error: unknown) => void,
): RunningStage {
  const drain = new AbortController();
  const logger = options.logger.child({ stage: stage.name });
  const metrics = new StageMetrics(options.metrics, stage.name);
  const { handsOver = false } = options;
  const context = { log, logger, metrics, signal: abandoned, drain: drain.signal, handsOver };
  const done = runStage(stage, context)
    .catch((error: unknown) => {
      // Another owner has the partition, or the log told us to let go: nothing to do here any more.
      if (error instanceof PalisadeError && error.code === 'FENCED') {
        logger.info({ err: error }, 'the partition was given up');
        return;
      }
      metrics.failed(error);
      // What a person can put right is the caller's to tell, who may even know a way on; a mistake is told here, with its stage.
      if (!(error instanceof PalisadeError)) logger.error({ err: error }, 'a stage failed, and with it this process');
      failed(error);
    })
    .then(() => {
      running.hasReturned = true;
    });
  const running: RunningStage = { stage, drain, done, hasReturned: false };
  return running;
}

async function runStage(stage: Stage, context: StageContext): Promise<void> {
  if ('run' in stage) await stage.run(context.log, context.drain);
  else if ('prepare' in stage) await runSink(stage, context);
  else await runProcessor(stage, context);
}

/** What ends together, in order. */
function tiersOf(running: readonly RunningStage[]): readonly (readonly RunningStage[])[] {
  return [
    running.filter(({ stage }) => 'run' in stage),
    ...running.filter(({ stage }) => 'createProcessor' in stage).map((stage) => [stage]),
    running.filter(({ stage }) => 'prepare' in stage),
  ];
}

/** Resolves when all of `tier` have returned, or a moment after `abandoned`. */
async function returned(tier: readonly RunningStage[], abandoned: AbortSignal): Promise<void> {
  const all = Promise.all(tier.map(({ done }) => done));
  let timer: NodeJS.Timeout | undefined;
  const givenUp = new Promise<void>((resolve) => {
    const giveUp = (): void => {
      timer = setTimeout(resolve, graceMs);
    };
    if (abandoned.aborted) giveUp();
    else abandoned.addEventListener('abort', giveUp, { once: true });
    void all.then(() => {
      abandoned.removeEventListener('abort', giveUp);
    });
  });
  await Promise.race([all, givenUp]);
  clearTimeout(timer);
}
