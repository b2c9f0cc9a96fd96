import type { SinkStage } from '../../eventlog/stage.ts';
import type { Alert, Coverage } from '../../schemas/generated.ts';
import { logRecord } from './run-processor.ts';

/** Writes these values by a sink, as the first records of its topic. */
export async function store(sink: SinkStage, values: readonly (Alert | Coverage)[]): Promise<void> {
  const topic = sink.input;
  const records = values.map((value, offset) => logRecord(topic, value.nodeId, value, offset));
  const range = { topic, partition: 0, first: 0, last: records.length - 1 };
  await sink.write(records, range, new AbortController().signal);
}
