import type { LogRecord, OutputRecord } from '../../eventlog/event-log.ts';
import { MemoryEventLog } from '../../eventlog/memory.ts';
import { runStages } from '../../eventlog/runner.ts';
import type { ProcessorStage } from '../../eventlog/stage.ts';
import { quietly, recordsOf } from './toy.ts';

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
  await runStages(stages, log, quietly(), AbortSignal.abort());
  return await recordsOf(log, [...new Set(stages.flatMap((stage) => stage.outputs))]);
}
