import { avroTypeOf } from '../schemas/avro-types.ts';
import type { TopicName, TopicValues } from '../schemas/topics.ts';
import type { LogRecord, OutputRecord } from './event-log.ts';
import type { Processor, ProcessorStage } from './stage.ts';
import { TableTracker } from './table-tracker.ts';

export interface ChainOptions {
  /**
   * Encodes and decodes what is handed over, as a log between the two would. For tests: it must change nothing, since a
   * value equals decode(encode(value)).
   */
  readonly reencode?: boolean;
}

/**
 * One processor that feeds `first`'s outputs to `second`: same key, one commit, both states. What `second` reads of
 * `first` is handed over and not published; a record that is handed over has its input's offset and time.
 */
export function chain(first: ProcessorStage, second: ProcessorStage, options: ChainOptions = {}): ProcessorStage {
  const handedOver = first.outputs.filter((topic) => second.inputs.includes(topic));
  const tables = union(first.tables, second.tables);
  return {
    name: `${first.name}-${second.name}`,
    inputs: union(
      first.inputs,
      second.inputs.filter((topic) => !handedOver.includes(topic)),
    ),
    tables,
    outputs: union(
      first.outputs.filter((topic) => !handedOver.includes(topic)),
      second.outputs,
    ),
    state: union(first.state, second.state),
    createProcessor: (partition) =>
      new ChainedProcessor({
        first: { stage: first, processor: first.createProcessor(partition) },
        second: { stage: second, processor: second.createProcessor(partition) },
        handedOver,
        tables: new TableTracker(tables, {}),
        reencode: options.reencode ?? false,
      }),
  };
}

interface Link {
  readonly stage: ProcessorStage;
  readonly processor: Processor;
}

interface Links {
  readonly first: Link;
  readonly second: Link;
  readonly handedOver: readonly TopicName[];
  readonly tables: TableTracker;
  readonly reencode: boolean;
}

class ChainedProcessor implements Processor {
  readonly #links: Links;

  constructor(links: Links) {
    this.#links = links;
  }

  restore(record: LogRecord): void {
    const { first, second } = this.#links;
    for (const { stage, processor } of [first, second]) {
      if (stage.state.includes(record.topic)) processor.restore(record);
    }
  }

  update(record: LogRecord): void {
    const { first, second, tables } = this.#links;
    tables.changed(record);
    for (const { stage, processor } of [first, second]) {
      if (stage.tables.includes(record.topic)) processor.update(record);
    }
  }

  *process(record: LogRecord): Iterable<OutputRecord> {
    const { first, second, handedOver } = this.#links;
    if (first.stage.inputs.includes(record.topic)) {
      for (const output of first.processor.process(record)) {
        if (handedOver.includes(output.topic)) yield* second.processor.process(this.#handOver(output, record));
        else yield output;
      }
    }
    if (second.stage.inputs.includes(record.topic)) yield* second.processor.process(record);
  }

  #handOver(output: OutputRecord, input: LogRecord): LogRecord {
    const record = {
      topic: output.topic,
      partition: input.partition,
      offset: input.offset,
      key: output.key,
      value: valueOf(output, this.#links.reencode),
      timestampMs: input.timestampMs,
      tablePositions: this.#links.tables.under(input),
    };
    // `topic` and `value` come from one output, where they belong together.
    return record as LogRecord;
  }
}

function valueOf(output: OutputRecord, reencode: boolean): TopicValues[TopicName] | undefined {
  const type = avroTypeOf<TopicName>(output.topic);
  if ('encodedValue' in output) return type.decode(output.encodedValue);
  if (output.value === undefined || !reencode) return output.value;
  return type.decode(type.encode(output.value));
}

function union(first: readonly TopicName[], second: readonly TopicName[]): readonly TopicName[] {
  return [...new Set([...first, ...second])];
}
