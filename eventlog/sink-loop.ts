import { setTimeout as delay } from 'node:timers/promises';
import { PalisadeError } from '../runtime/errors.ts';
import { retry } from '../runtime/retry.ts';
import { deadLetters, reportUnreadable, unreadable } from './dead-letter.ts';
import type { RecordError } from './errors.ts';
import type { AssignedPartition, InputBatch, LogRecord, OffsetRange, StampedOutput } from './event-log.ts';
import { untilItSucceeds, type StageContext } from './stage-context.ts';
import type { SinkStage } from './stage.ts';
import { createSingleObjectFormat, type WireFormat } from './wire-format.ts';

/**
 * From the beginning of one write to the beginning of the next, milliseconds, unless more waits already: destinations
 * take a few large writes better than many small ones, and the first after a pause goes out at once.
 */
const writeIntervalMs = 50;

/** Some ten thousand alerts: a destination takes a large write in little more time than a small one. */
const batchBytes = 8 << 20;

/** Runs a sink stage until `context.signal` or `context.drain`: intend, write, commit, batch by batch. */
export async function runSink(stage: SinkStage, context: StageContext): Promise<void> {
  const { log, signal, drain } = context;
  const format = createSingleObjectFormat();
  const end = AbortSignal.any([signal, drain]);
  const options = { group: stage.name, topics: [stage.input], tables: [], signal, drain, batchBytes };
  const run = async (partition: AssignedPartition): Promise<void> => {
    for await (const batch of partition.batches()) {
      const startedMs = performance.now();
      if (!(await writeBatch(stage, context, format, batch))) return;
      context.metrics.batchTook((performance.now() - startedMs) / 1000);
      if (batch.waiting === 0) await pause(startedMs + writeIntervalMs - performance.now(), end);
    }
  };
  // Begun anew where the log could not be read for now: each time from what was committed.
  await retry(() => log.consume(options, run), untilItSucceeds(context, 'reading the log'));
}

/** Whether the batch is committed; not so where `context.signal` ended the write: it comes again, exactly as it was. */
async function writeBatch(
  stage: SinkStage,
  context: StageContext,
  format: WireFormat,
  batch: InputBatch,
): Promise<boolean> {
  const { metrics, logger, signal } = context;
  metrics.received(batch);
  const range = await retry(() => batch.intend(), untilItSucceeds(context, 'writing down what is to be written'));
  const readable: LogRecord[] = [];
  const errors: RecordError[] = [];
  const letters: StampedOutput[] = [];
  for (const record of batch.records) {
    const error = unreadable(record);
    if (error === undefined) {
      readable.push(record);
      continue;
    }
    errors.push(error);
    metrics.failed(error);
    metrics.dropped(record.topic, 'unreadable');
    letters.push(...lettersOf(stage, record, error.message, error.bytes));
  }
  const refused = readable.length === 0 ? undefined : await writeOut(stage, context, readable, range);
  if (signal.aborted) return false;
  if (refused === undefined) metrics.sent(readable);
  else {
    for (const record of readable) {
      metrics.dropped(record.topic, 'refused');
      // It was decoded before, so it has a value or is a tombstone.
      const bytes = record.value === undefined ? new Uint8Array() : format.encode(record.topic, record.value);
      letters.push(...lettersOf(stage, record, refused.message, bytes));
    }
  }
  await retry(() => batch.commit(letters), untilItSucceeds(context, 'committing a batch'));
  reportUnreadable(errors, logger);
  return true;
}

/** Writes until it succeeds; the destination's error where it will never take these records. */
async function writeOut(
  stage: SinkStage,
  context: StageContext,
  records: readonly LogRecord[],
  range: OffsetRange,
): Promise<PalisadeError | undefined> {
  const { signal, logger, metrics } = context;
  try {
    await retry(() => stage.write(records, range, signal), untilItSucceeds(context, `writing to ${stage.name}`));
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

function lettersOf(stage: SinkStage, record: LogRecord, reason: string, bytes: Uint8Array): readonly StampedOutput[] {
  const { tablePositions } = record;
  return deadLetters(record, { stage: stage.name, reason, bytes }).map((output) => ({
    record: output,
    tablePositions,
  }));
}

async function pause(durationMs: number, end: AbortSignal): Promise<void> {
  if (durationMs <= 0) return;
  try {
    await delay(durationMs, undefined, { signal: end });
  } catch {
    // Only an abort rejects: the pause is over.
  }
}
