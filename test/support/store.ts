import type { LogRecord, OffsetRange } from '../../eventlog/event-log.ts';
import type { SinkStage } from '../../eventlog/stage.ts';
import type { Alert, Coverage } from '../../schemas/generated.ts';
import { logRecord } from './run-processor.ts';

/** Writes these values by a sink, as the first records of its topic. */
export async function store(sink: SinkStage, values: readonly (Alert | Coverage)[]): Promise<void> {
  const topic = sink.input;
  const records = values.map((value, offset) => logRecord(topic, value.nodeId, value, offset));
  const range = { topic, partition: 0, first: 0, last: records.length - 1 };
  await written(sink, records, range);
}

/** Prepares and writes records of a range, as the runner does. */
export async function written(
  sink: SinkStage,
  records: readonly LogRecord[],
  range: OffsetRange,
  signal = new AbortController().signal,
): Promise<void> {
  const write = await sink.prepare(records);
  await write(range, signal);
}
