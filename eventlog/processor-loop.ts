import { retry } from '../runtime/retry.ts';
import { deadLetters, reportUnreadable, unreadable } from './dead-letter.ts';
import type { RecordError } from './errors.ts';
import type { AssignedPartition, InputBatch, LogRecord, StampedOutput } from './event-log.ts';
import { untilItSucceeds, type StageContext } from './stage-context.ts';
import type { Processor, ProcessorStage } from './stage.ts';
import { TableTracker } from './table-tracker.ts';

/** Runs a processor stage until `context.signal` or `context.drain`: restore, then process and commit batch by batch. */
export async function runProcessor(stage: ProcessorStage, context: StageContext): Promise<void> {
  const { log, signal, drain } = context;
  const options = { group: stage.name, topics: stage.inputs, tables: stage.tables, signal, drain };
  // Begun anew where the log could not be read for now: each loop starts from what was committed.
  await retry(
    () => log.consume(options, (partition) => new ProcessorLoop(stage, context, partition).run()),
    untilItSucceeds(context, 'reading the log'),
  );
}

class ProcessorLoop {
  readonly #stage: ProcessorStage;
  readonly #context: StageContext;
  readonly #partition: AssignedPartition;
  readonly #processor: Processor;
  readonly #tables: TableTracker;
  #outputs: StampedOutput[] = [];
  #unreadable: RecordError[] = [];

  constructor(stage: ProcessorStage, context: StageContext, partition: AssignedPartition) {
    this.#stage = stage;
    this.#context = context;
    this.#partition = partition;
    this.#processor = stage.createProcessor(partition.partition);
    this.#tables = new TableTracker(stage.tables, partition.tablePositions);
  }

  async run(): Promise<void> {
    for (const topic of this.#stage.state) {
      for await (const record of this.#partition.restore(topic)) {
        if (this.#isReadable(record)) this.#processor.restore(record);
      }
    }
    for await (const batch of this.#partition.batches()) {
      const startedMs = performance.now();
      this.#context.metrics.received(batch);
      for (const record of batch.records) this.#handle(record);
      await this.#commit(batch);
      this.#context.metrics.batchTook((performance.now() - startedMs) / 1000);
    }
  }

  #handle(record: LogRecord): void {
    // A table's position moves on past a change that nobody can read.
    if (this.#tables.isTable(record.topic)) {
      this.#tables.changed(record);
      // One that a predecessor came to is a dead letter already: the replay at a start makes no second one.
      const isReplayed = record.offset < (this.#partition.tablePositions[record.topic] ?? 0);
      if (isReplayed ? unreadable(record) === undefined : this.#isReadable(record)) this.#processor.update(record);
      return;
    }
    if (!this.#isReadable(record)) return;
    const tablePositions = this.#tables.under(record);
    for (const output of this.#processor.process(record)) this.#outputs.push({ record: output, tablePositions });
  }

  /** Whether the processor can be given it; if not, its dead letter is committed with this batch, or the first one. */
  #isReadable(record: LogRecord): boolean {
    const error = unreadable(record);
    if (error === undefined) return true;
    this.#unreadable.push(error);
    this.#context.metrics.failed(error);
    this.#context.metrics.dropped(record.topic, 'unreadable');
    const options = { stage: this.#stage.name, reason: error.message, bytes: error.bytes };
    const tablePositions = this.#tables.under(record);
    for (const output of deadLetters(record, options)) this.#outputs.push({ record: output, tablePositions });
    return false;
  }

  async #commit(batch: InputBatch): Promise<void> {
    const outputs = this.#outputs;
    const unreadableRecords = this.#unreadable;
    this.#outputs = [];
    this.#unreadable = [];
    await retry(() => batch.commit(outputs), untilItSucceeds(this.#context, 'committing a batch'));
    this.#context.metrics.sent(outputs.map(({ record }) => record));
    reportUnreadable(unreadableRecords, this.#context.logger);
  }
}
