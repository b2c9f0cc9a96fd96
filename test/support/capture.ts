import { CaptureWriter } from '../../eventlog/capture-writer.ts';
import type { LogRecord, OutputRecord } from '../../eventlog/event-log.ts';
import { MemoryEventLog } from '../../eventlog/memory.ts';
import { topicNames } from '../../schemas/topics.ts';

/** What a log has after these appends, in its order. */
export async function recordsAfter(appends: readonly (readonly OutputRecord[])[]): Promise<readonly LogRecord[]> {
  await using log = new MemoryEventLog();
  for (const records of appends) await log.append(records);
  const read: LogRecord[] = [];
  const { signal } = new AbortController();
  for await (const record of log.read({ topics: topicNames, from: 'start', follow: false, signal })) read.push(record);
  return read;
}

/** Writes `file`, a capture of these records. */
export async function writeCapture(file: string, records: readonly LogRecord[]): Promise<void> {
  await using writer = await CaptureWriter.create(file);
  for (const record of records) await writer.write(record);
}
