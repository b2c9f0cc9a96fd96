import { printable } from '../runtime/printable.ts';
import { retry } from '../runtime/retry.ts';
import type { TopicName } from '../schemas/topics.ts';
import { deadLetters, eventsIn, reportUnreadable, unreadable } from './dead-letter.ts';
import type { RecordError } from './errors.ts';
import type { AssignedPartition, InputBatch, LogRecord, OutputRecord, StampedOutput } from './event-log.ts';
import { withinBudget } from './output-budget.ts';
import { isHandingOver, untilItSucceeds, type StageContext } from './stage-context.ts';
import type { Processor, ProcessorStage } from './stage.ts';
import { TableTracker } from './table-tracker.ts';
import { createSingleObjectFormat } from './wire-format.ts';

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
  /** Topics of outputs that are published whatever else the input gives. */
  readonly #kept: ReadonlySet<TopicName>;
  #outputs: StampedOutput[] = [];
  #unreadable: RecordError[] = [];

  constructor(stage: ProcessorStage, context: StageContext, partition: AssignedPartition) {
    this.#stage = stage;
    this.#context = context;
    this.#partition = partition;
    this.#processor = stage.createProcessor(partition.partition);
    this.#kept = new Set([...stage.state, 'coverage']);
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
      if (isHandingOver(this.#context)) return;
    }
  }

  #handle(record: LogRecord): void {
    // A table's position moves on past a change that nobody can read.
    if (this.#tables.isTable(record.topic)) {
      this.#tables.changed(record);
      const isReplayed = record.offset < (this.#partition.tablePositions[record.topic] ?? 0);
      if (isReplayed ? this.#isStillReadable(record) : this.#isReadable(record)) this.#processor.update(record);
      return;
    }
    if (!this.#isReadable(record)) return;
    const { outputs, refused } = withinBudget(this.#processor.process(record), this.#kept);
    this.#push(record, outputs);
    if (refused !== undefined) this.#refuse(record, refused);
  }

  /** Nothing but a dead letter follows from a record that gives too much; whose events it had is told. */
  #refuse(record: LogRecord, reason: string): void {
    const { metrics, logger } = this.#context;
    const { topic, offset, key } = record;
    metrics.dropped(topic, 'oversized');
    logger.error({ topic, offset, key: printable(key), reason }, 'a record gives too much and is in dead-letters');
    // As the log has it; a tombstone has nothing, and gives nothing.
    const bytes =
      record.value === undefined ? new Uint8Array() : createSingleObjectFormat().encode(topic, record.value);
    this.#push(record, deadLetters(record, { stage: this.#stage.name, reason, bytes, lost: eventsIn(record) }));
  }

  #push(input: LogRecord, outputs: readonly OutputRecord[]): void {
    const tablePositions = this.#tables.under(input);
    for (const record of outputs) this.#outputs.push({ record, tablePositions });
  }

  /** Whether the processor can be given it; if not, its dead letter is committed with this batch, or the first one. */
  #isReadable(record: LogRecord): boolean {
    const error = unreadable(record);
    if (error === undefined) return true;
    this.#unreadable.push(error);
    this.#context.metrics.failed(error);
    this.#context.metrics.dropped(record.topic, 'unreadable');
    this.#push(record, deadLetters(record, { stage: this.#stage.name, reason: error.message, bytes: error.bytes }));
    return false;
  }

  /**
   * Of a table's change that a predecessor came to. Where that could not read it either, it is a dead letter already, and the
   * replay at a start makes no second one; where it could, the disk has changed it since, and nothing else would tell.
   */
  #isStillReadable(record: LogRecord): boolean {
    const error = unreadable(record);
    if (error === undefined) return true;
    this.#context.metrics.failed(error);
    this.#context.logger.error({ err: error }, 'a change of a table cannot be read and is not in force');
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
