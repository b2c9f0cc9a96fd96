import type { LogRecord, OutputRecord } from '../../eventlog/event-log.ts';
import { avroTypeOf } from '../../schemas/avro-types.ts';
import type { TopicName, TopicValues } from '../../schemas/topics.ts';

/** A record as a log would give it to a processor. */
export function logRecord<Topic extends TopicName>(
  topic: Topic,
  key: string,
  value: TopicValues[Topic] | undefined,
  offset = 0,
): LogRecord {
  return { topic, partition: 0, offset, key, value, timestampMs: 0, tablePositions: {} } as LogRecord;
}

/** A processor's output as the next one would read it: encoded, decoded, at `offset`. */
export function asRead(output: OutputRecord, offset = 0): LogRecord {
  return logRecord(output.topic, output.key, decodedValue(output), offset);
}

/** The value of an output after a passage through its Avro encoding. */
export function decodedValue(output: OutputRecord): TopicValues[TopicName] | undefined {
  const type = avroTypeOf(output.topic);
  const bytes = encodedValue(output);
  return bytes === undefined ? undefined : type.decode(bytes);
}

/** The Avro bytes of an output: what `the same outputs` means in tests. */
export function encodedValue(output: OutputRecord): Uint8Array | undefined {
  if ('encodedValue' in output) return output.encodedValue;
  const type = avroTypeOf(output.topic);
  return output.value === undefined ? undefined : type.encode(output.value);
}

/** Output records as text, one a line, byte for byte. */
export function fingerprint(outputs: readonly OutputRecord[]): string[] {
  return outputs.map(
    (output) => `${output.topic} ${output.key} ${Buffer.from(encodedValue(output) ?? []).toString('hex')}`,
  );
}

/** The values of one topic among `outputs`, as they would be read. */
export function valuesOf<Topic extends TopicName>(
  topic: Topic,
  outputs: readonly OutputRecord[],
): TopicValues[Topic][] {
  return outputs.filter((output) => output.topic === topic).map((output) => decodedValue(output) as TopicValues[Topic]);
}
