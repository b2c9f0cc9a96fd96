import { setTimeout as delay } from 'node:timers/promises';
import { PalisadeError } from '../runtime/errors.ts';
import { retry, type RetryOptions } from '../runtime/retry.ts';
import { deadLetters, reportUnreadable, unreadableBytes } from './dead-letter.ts';
import type { RecordError } from './errors.ts';
import type { AssignedPartition, InputBatch, LogRecord, OffsetRange, StampedOutput } from './event-log.ts';
import { isHandingOver, untilItSucceeds, type StageContext } from './stage-context.ts';
import type { PreparedWrite, SinkStage } from './stage.ts';
import { createSingleObjectFormat } from './wire-format.ts';

/**
 * From the beginning of one write to the beginning of the next, milliseconds, unless more waits already: destinations
 * take a few large writes better than many small ones, and the first after a pause goes out at once.
 */
const writeIntervalMs = 50;

/** Some ten thousand alerts: a destination takes a large write in little more time than a small one. */
const batchBytes = 8 << 20;

/**
 * Runs a sink stage until `context.signal` or `context.drain`: prepare, intend, write, commit, batch by batch. Where more waits
 * than a batch holds, the next one is read and prepared while this one is written, and no more than that one: it is intended
 * when this one is committed.
 */
export async function runSink(stage: SinkStage, context: StageContext): Promise<void> {
  const { log, signal, drain } = context;
  const options = { group: stage.name, topics: [stage.input], tables: [], signal, drain, batchBytes };
  // Begun anew where the log could not be read for now: each time from what was committed.
  await retry(
    () => log.consume(options, (partition) => new SinkLoop(stage, context).run(partition)),
    untilItSucceeds(context, 'reading the log'),
  );
}

/** A batch that only has to be intended and written. */
interface PreparedBatch {
  readonly batch: InputBatch;
  readonly readable: readonly LogRecord[];
  readonly unreadable: readonly RecordError[];
  /** Of those that cannot be read. */
  readonly letters: readonly StampedOutput[];
  /** `undefined` where there is nothing to write. */
  readonly write: PreparedWrite | undefined;
}

class SinkLoop {
  readonly #stage: SinkStage;
  readonly #context: StageContext;
  readonly #format = createSingleObjectFormat();

  constructor(stage: SinkStage, context: StageContext) {
    this.#stage = stage;
    this.#context = context;
  }

  async run(partition: AssignedPartition): Promise<void> {
    const { signal, drain } = this.#context;
    const end = AbortSignal.any([signal, drain]);
    /** Whether the batch before is committed. */
    let before = Promise.resolve(true);
    try {
      for await (const batch of partition.batches()) {
        const prepared = await this.#prepare(batch);
        if (!(await before) || isHandingOver(this.#context)) return;
        const startedMs = performance.now();
        before = this.#write(prepared, startedMs);
        // Looked at when the next one is prepared; until then it is no error that nobody handles.
        before.catch(() => undefined);
        if (batch.waiting > 0) continue;
        // With the next one what comes meanwhile is written as well.
        if (!(await before)) return;
        await pause(startedMs + writeIntervalMs - performance.now(), end);
      }
    } finally {
      // Also where the log cannot be read on: what stands before is written, and the partition held until then.
      await before;
    }
  }

  async #prepare(batch: InputBatch): Promise<PreparedBatch> {
    const { metrics } = this.#context;
    metrics.received(batch);
    const readable: LogRecord[] = [];
    const errors: RecordError[] = [];
    const letters: StampedOutput[] = [];
    for (const record of batch.records) {
      const error = unreadableBytes(record);
      if (error === undefined) {
        readable.push(record);
        continue;
      }
      errors.push(error);
      metrics.failed(error);
      metrics.dropped(record.topic, 'unreadable');
      letters.push(...this.#lettersOf(record, error.message, error.bytes));
    }
    const write = readable.length === 0 ? undefined : await this.#stage.prepare(readable);
    return { batch, readable, unreadable: errors, letters, write };
  }

  /** Whether the batch is committed; not so where `signal` ended the write: it comes again, exactly as it was. */
  async #write({ batch, readable, unreadable, letters, write }: PreparedBatch, startedMs: number): Promise<boolean> {
    const { metrics, logger, signal } = this.#context;
    const range = await retry(() => batch.intend(), this.#untilItSucceeds('writing down what is to be written'));
    const refused = write === undefined ? undefined : await this.#writeOut(write, range);
    if (signal.aborted) return false;
    const all = [...letters];
    if (refused === undefined) metrics.sent(readable);
    else {
      for (const record of readable) {
        metrics.dropped(record.topic, 'refused');
        // It was checked before, so it has a value or is a tombstone.
        const bytes = record.value === undefined ? new Uint8Array() : this.#format.encode(record.topic, record.value);
        all.push(...this.#lettersOf(record, refused.message, bytes));
      }
    }
    await retry(() => batch.commit(all), this.#untilItSucceeds('committing a batch'));
    reportUnreadable(unreadable, logger);
    metrics.batchTook((performance.now() - startedMs) / 1000);
    return true;
  }

  /** Writes until it succeeds; the destination's error where it will never take these records. */
  async #writeOut(write: PreparedWrite, range: OffsetRange): Promise<PalisadeError | undefined> {
    const { signal, logger, metrics } = this.#context;
    try {
      await retry(() => write(range, signal), this.#untilItSucceeds(`writing to ${this.#stage.name}`));
      return undefined;
    } catch (error) {
      if (signal.aborted) {
        // What was thrown is the abort, or what came of it.
        logger.warn({ range }, 'a write was given up at the end; it is repeated at the next start');
        return undefined;
      }
      // Anything else is a mistake in our own code.
      if (!(error instanceof PalisadeError)) throw error;
      metrics.failed(error);
      logger.error({ err: error, range }, 'the destination refuses these records, which go to dead-letters');
      return error;
    }
  }

  #untilItSucceeds(what: string): RetryOptions {
    return untilItSucceeds(this.#context, what);
  }

  #lettersOf(record: LogRecord, reason: string, bytes: Uint8Array): readonly StampedOutput[] {
    const { tablePositions } = record;
    return deadLetters(record, { stage: this.#stage.name, reason, bytes }).map((output) => ({
      record: output,
      tablePositions,
    }));
  }
}

async function pause(durationMs: number, end: AbortSignal): Promise<void> {
  if (durationMs <= 0) return;
  try {
    await delay(durationMs, undefined, { signal: end });
  } catch {
    // Only an abort rejects: the pause is over.
  }
}
