import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import type { Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { collectorThread } from '../collector/collector-thread.ts';
import { CaptureWriter } from '../eventlog/capture-writer.ts';
import { EmbeddedEventLog } from '../eventlog/embedded.ts';
import { RecordError } from '../eventlog/errors.ts';
import type { LogRecord } from '../eventlog/event-log.ts';
import { ownerOf } from '../eventlog/ownership.ts';
import { runStages } from '../eventlog/runner.ts';
import { policyFilesSource, synchronizePolicyFiles, ToldIssues } from '../matcher/policy-files-source.ts';
import { PalisadeError } from '../runtime/errors.ts';
import { createLogger, type Logger } from '../runtime/logger.ts';
import { Metrics } from '../runtime/metrics.ts';
import { printable } from '../runtime/printable.ts';
import { CaptureTarget } from './capture-target.ts';
import { capturedTopics, logRecords } from './captured-records.ts';
import type { Config } from './config.ts';
import { dataLayout, makeDataDirectory } from './data-directory.ts';
import { exitCodes, type ExitCode } from './exit-codes.ts';
import { checkHost } from './host-checks.ts';
import { recordingPins } from './made-in-system.ts';
import { keptNodeId } from './node-id.ts';
import { removePins } from './pins.ts';
import { Progress } from './progress.ts';
import { StopSignals } from './stop-signals.ts';

export interface RecordOptions {
  readonly file: string;
  /** How long, in milliseconds; `undefined`: until a signal, or with `fromLog` all that is there. */
  readonly durationMs: number | undefined;
  /** From the data directory's log instead of the kernel. */
  readonly fromLog: boolean;
  readonly output: Writable & { readonly isTTY?: boolean; readonly columns?: number };
}

/**
 * Writes a capture; an earlier one of that name is replaced when this one is whole, and not before. Throws PalisadeError for what
 * a person can put right.
 */
export async function record(config: Config, options: RecordOptions): Promise<ExitCode> {
  const { output } = options;
  const progress = new Progress({ output, isTerminal: output.isTTY === true, columns: () => output.columns ?? 80 });
  using signals = new StopSignals(() => {
    progress.print('');
  });
  const stop = new AbortController();
  const signal = AbortSignal.any([signals.signal, stop.signal]);
  const logger = createLogger({ level: 'warn', destination: output, pretty: true });
  const recording: Recording = { config, options, progress, logger, signal, stop };
  const recorder = options.fromLog ? await recordLog(recording) : await recordKernel(recording);
  if (!recorder.isWorthKeeping) {
    progress.print(`Nothing was recorded, so ${printable(options.file)} is neither made nor changed.\n`);
    return exitCodes.failed;
  }
  progress.print(`${recorder.summary()}\n${printable(options.file)}: npx palisade capture info shows what is in it.\n`);
  return exitCodes.done;
}

interface Recording {
  readonly config: Config;
  readonly options: RecordOptions;
  readonly progress: Progress;
  readonly logger: Logger;
  /** Ends it, whoever asks: a person, the time, or a failure. */
  readonly signal: AbortSignal;
  readonly stop: AbortController;
}

/** What the log holds up to now; with a duration, what comes from now on, after the state that it meets. */
async function recordLog(recording: Recording): Promise<Recorder> {
  const { config, options, signal, stop } = recording;
  await using log = EmbeddedEventLog.openReadOnly({ directory: dataLayout(config.dataDirectory).log });
  return await writeCapture(recording, async (recorder) => {
    const running = endAfter(options.durationMs, stop, signal);
    for await (const one of logRecords(log, { fromNow: options.durationMs !== undefined, signal })) {
      await recorder.add(one);
    }
    stop.abort();
    await running;
  });
}

/**
 * The collector alone, with a log of its own that it removes at the end, and pins of its own: what a stopped `palisade up` left
 * in its ring stays there for the next start.
 */
async function recordKernel(recording: Recording): Promise<Recorder> {
  const { config, options, logger, signal, stop } = recording;
  const layout = dataLayout(config.dataDirectory);
  const owner = ownerOf(layout.log);
  if (owner !== undefined) {
    throw new PalisadeError(
      'EVENT_LOG_OWNED',
      `palisade up (process ${owner}) watches this machine already: record what it appends with --from-log`,
    );
  }
  const missing = checkHost(recordingPins(config)).filter((check) => !check.holds);
  if (missing.length > 0) {
    throw new PalisadeError(
      'KERNEL_REFUSED',
      `This machine's kernel can't be watched:\n${missing.map(({ detail }) => `  ${detail}`).join('\n')}`,
    );
  }
  await makeDataDirectory(layout);
  const logFolder = path.join(layout.recording, 'log');
  const other = ownerOf(logFolder);
  if (other !== undefined) {
    throw new PalisadeError('EVENT_LOG_OWNED', `process ${other} is recording with this data directory already`);
  }
  await using work = await temporaryFolder(layout.recording);
  await using pins = await temporaryPins(recordingPins(config));
  await using log = await EmbeddedEventLog.open({ directory: logFolder });
  const nodeId = config.nodeId ?? (await keptNodeId(config.dataDirectory));
  const told = new ToldIssues(logger);
  const policies = { paths: config.policies, sourceId: `files@${nodeId}`, logger, told };
  // Before the first event: they are what it is judged by.
  await synchronizePolicyFiles(log, policies);
  return await writeCapture(recording, async (recorder) => {
    const collector = collectorThread(
      { nodeId, dataDirectory: path.join(work.path, 'collector'), pinDirectory: pins.path, ringBytes: config.ringSize },
      { createAppendPort: () => log.createAppendPort(), logger },
    );
    const drain = new AbortController();
    const never = new AbortController();
    const group = { group: 'recording', topics: capturedTopics, tables: [], signal: never.signal, drain: drain.signal };
    let running: Promise<void> | undefined;
    // A group, since what it has not read is never trimmed.
    const recorded = log.consume(group, async (partition) => {
      for await (const batch of partition.batches()) {
        // From when the kernel is watched: loading the programs takes a second or two.
        if (batch.records.some(({ topic }) => topic === 'raw-events'))
          running ??= endAfter(options.durationMs, stop, signal);
        for (const one of batch.records) await recorder.add(one);
        await batch.commit([]);
      }
    });
    // Its failure ends the stages and is thrown below.
    recorded.catch(() => {
      stop.abort();
    });
    try {
      const stages = [policyFilesSource(policies), collector];
      await runStages(stages, log, { logger, metrics: new Metrics() }, signal);
    } finally {
      stop.abort();
      drain.abort();
      await recorded;
      await running;
    }
  });
}

/**
 * Has `fill` write the capture, beside the file that it becomes at the end. Where that fails, what is in it up to there stays
 * beside and is told; what has nothing in it is removed.
 */
async function writeCapture(
  { options, progress }: Recording,
  fill: (recorder: Recorder) => Promise<void>,
): Promise<Recorder> {
  const target = await CaptureTarget.begin(options.file);
  let recorder: Recorder | undefined;
  try {
    await using writer = await CaptureWriter.create(target.path);
    recorder = new Recorder(writer, progress, options.fromLog);
    await fill(recorder);
  } catch (error) {
    if (recorder?.isWorthKeeping === true && recorder.isWritten) {
      const file = printable(target.path);
      progress.print(`${file} has what was recorded up to here: npx palisade capture info shows it.\n`);
    } else await target.discard();
    throw error;
  }
  if (recorder.isWorthKeeping) await target.keep();
  else await target.discard();
  return recorder;
}

/** A path where there is nothing now, and will be nothing at the end. What is there was left by a `record` that was killed. */
async function temporaryFolder(folder: string): Promise<{ readonly path: string } & AsyncDisposable> {
  await rm(folder, { recursive: true, force: true });
  return { path: folder, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) };
}

/** As `temporaryFolder`, on a BPF file system, and for pins of ours alone. */
async function temporaryPins(folder: string): Promise<{ readonly path: string } & AsyncDisposable> {
  const remove = async (): Promise<void> => {
    if (existsSync(folder)) await removePins(folder);
  };
  await remove();
  return { path: folder, [Symbol.asyncDispose]: remove };
}

/** Aborts `stop` after a time; resolves when that is done or not needed any more. */
async function endAfter(durationMs: number | undefined, stop: AbortController, signal: AbortSignal): Promise<void> {
  if (durationMs === undefined) return;
  // An abort only says that it ended before.
  await delay(durationMs, undefined, { signal }).catch(() => undefined);
  stop.abort();
}

const grouped = new Intl.NumberFormat('en-US');

/** Writes records and counts. */
class Recorder {
  readonly #writer: CaptureWriter;
  readonly #progress: Progress;
  readonly #fromLog: boolean;
  #records = 0;
  #batches = 0;
  #events = 0;
  #policies = 0;
  #unreadable = 0;

  constructor(writer: CaptureWriter, progress: Progress, fromLog: boolean) {
    this.#writer = writer;
    this.#progress = progress;
    this.#fromLog = fromLog;
  }

  /** Whether there is something that was not there before: of a kernel its events, since the policies are those of the files. */
  get isWorthKeeping(): boolean {
    return (this.#fromLog ? this.#records : this.#batches) > 0;
  }

  /** Whether some of it is in the file. */
  get isWritten(): boolean {
    return this.#writer.records > 0;
  }

  async add(record: LogRecord): Promise<void> {
    try {
      await this.#writer.write(record);
      if (record.topic === 'raw-events') {
        this.#batches += 1;
        this.#events += record.value?.events.length ?? 0;
      }
    } catch (error) {
      // The log has it as a dead letter already, where a stage has seen it.
      if (!(error instanceof RecordError)) throw error;
      this.#unreadable += 1;
      return;
    }
    this.#records += 1;
    if (record.topic === 'policies') this.#policies += 1;
    this.#progress.show({ share: undefined, events: this.#events, result: () => `${this.#records} records` });
  }

  summary(): string {
    const unreadable = this.#unreadable === 0 ? '' : `; ${grouped.format(this.#unreadable)} could not be read`;
    return (
      `Recorded ${grouped.format(this.#events)} events and ${grouped.format(this.#policies)} changes of policies ` +
      `in ${grouped.format(this.#records)} records${unreadable}.`
    );
  }
}
