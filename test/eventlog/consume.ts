import { setTimeout as delay } from 'node:timers/promises';
import type { AssignedPartition, ConsumeOptions, EventLog, InputBatch, LogRecord } from '../../eventlog/event-log.ts';

const never = new AbortController().signal;

/** Which inputs and tables a group reads. */
export type Group = Omit<ConsumeOptions, 'signal' | 'drain'>;

/** Consumes what is there, as a member that then leaves. */
export async function partitionOf(
  log: EventLog,
  group: Group,
  own: (partition: AssignedPartition) => Promise<void>,
): Promise<void> {
  await log.consume({ ...group, signal: never, drain: AbortSignal.abort() }, own);
}

/** All records of the batches that are there. */
export async function consumed(
  log: EventLog,
  group: Group,
  handle: (batch: InputBatch) => Promise<void>,
): Promise<readonly LogRecord[]> {
  const records: LogRecord[] = [];
  await partitionOf(log, group, async (partition) => {
    for await (const batch of partition.batches()) {
      records.push(...batch.records);
      await handle(batch);
    }
  });
  return records;
}

/** Waits until it is so; a test that waits in vain runs into AVA's time limit, which names it. */
export async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await delay(2);
}

/** As `until`, of what can only be asked. */
export async function untilAsync(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await delay(5);
}
