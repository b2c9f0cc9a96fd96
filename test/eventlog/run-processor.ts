import type { LogRecord, OutputRecord } from '../../eventlog/event-log.ts';
import { MemoryEventLog } from '../../eventlog/memory.ts';
import { runStages } from '../../eventlog/runner.ts';
import type { ProcessorStage } from '../../eventlog/stage.ts';
import { createLogger } from '../../runtime/logger.ts';
import { Metrics } from '../../runtime/metrics.ts';
import type { TopicName } from '../../schemas/topics.ts';

/**
 * What `stages` make of `records`, appended in that order (tables among them) to a memory log, by the real runner: all
 * records of the stages' outputs that were published, in the order of the log.
 */
export async function runProcessors(
  stages: readonly ProcessorStage[],
  records: readonly OutputRecord[],
): Promise<readonly LogRecord[]> {
  await using log = new MemoryEventLog();
  for (const record of records) await log.append([record]);
  // Told to drain from the start: it handles what is there and returns.
  await runStages(
    stages,
    log,
    { logger: createLogger({ level: 'silent' }), metrics: new Metrics() },
    AbortSignal.abort(),
  );
  return await recordsOf(
    log,
    stages.flatMap((stage) => stage.outputs),
  );
}

/** All records of `topics` that are in the log now. */
export async function recordsOf(
  log: Pick<MemoryEventLog, 'read'>,
  topics: readonly TopicName[],
): Promise<readonly LogRecord[]> {
  const records: LogRecord[] = [];
  const options = { topics: [...new Set(topics)], from: 'start', follow: false } as const;
  for await (const record of log.read({ ...options, signal: new AbortController().signal })) records.push(record);
  return records;
}
