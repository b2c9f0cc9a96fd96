import { avroTypeOf } from '../schemas/avro-types.ts';
import type { TopicName } from '../schemas/topics.ts';
import type { OutputRecord } from './event-log.ts';
import { maxValueBytes } from './storable.ts';

/**
 * Avro bytes of all that one input may give, its processor's state and coverage aside. A batch of a thousand events that all
 * alert gives 2 MB; what a node can make of 16 MiB by naming the same long strings over and over has no bound, and would end
 * every process that comes to it. Less than a value's limit by more than a frame and an array's counts.
 */
export const maxOutputBytes = maxValueBytes - 1024;

/** What came of one input. */
export interface BudgetedOutputs {
  /** Encoded. Where they are too many or too large, those alone that are kept in any case. */
  readonly outputs: readonly OutputRecord[];
  /** Why the input gives no more than these; `undefined` where it gives everything. */
  readonly refused: string | undefined;
}

/**
 * Asks for `outputs` while there is room. What is of a topic in `kept` is kept in any case: without its state a processor would
 * go on otherwise after a restart. Depends on the input alone, so that it is the same when history is judged again.
 */
export function withinBudget(outputs: Iterable<OutputRecord>, kept: ReadonlySet<TopicName>): BudgetedOutputs {
  const all: OutputRecord[] = [];
  let room = maxOutputBytes;
  for (const output of outputs) {
    const encoded = encodedOf(output);
    if (!kept.has(output.topic)) room -= bytesOf(encoded);
    if (room < 0) {
      const refused = `what follows from it takes more than the ${maxOutputBytes} bytes that one record may give`;
      return { outputs: all.filter(({ topic }) => kept.has(topic)), refused };
    }
    all.push(encoded);
  }
  return { outputs: all, refused: undefined };
}

/** The output with its value as Avro binary, as the log would encode it. Throws a TypeError where it does not fit its topic. */
function encodedOf(output: OutputRecord): OutputRecord {
  if ('encodedValue' in output || output.value === undefined) return output;
  const { topic, key, value } = output;
  try {
    // `topic` and `value` come from one output, where they belong together.
    return { topic, key, encodedValue: avroTypeOf<TopicName>(topic).encode(value) } as OutputRecord;
  } catch (cause) {
    throw new TypeError(`a value for ${topic} does not fit its schema: ${String(cause)}`, { cause });
  }
}

function bytesOf(output: OutputRecord): number {
  return output.key.length + ('encodedValue' in output ? output.encodedValue.length : 0);
}
