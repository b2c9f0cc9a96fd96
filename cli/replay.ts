import { mkdir, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Writable } from 'node:stream';
import { CaptureEventLog } from '../eventlog/capture.ts';
import type { EventLogError } from '../eventlog/errors.ts';
import { MemoryEventLog } from '../eventlog/memory.ts';
import { ReplayLog, type ReplayProgress } from '../eventlog/replay-log.ts';
import { runStages } from '../eventlog/runner.ts';
import type { SinkStage } from '../eventlog/stage.ts';
import type { Logger } from '../runtime/logger.ts';
import { createLogger } from '../runtime/logger.ts';
import { Metrics } from '../runtime/metrics.ts';
import { printable } from '../runtime/printable.ts';
import { alertsSink, coverageSink } from '../sink/clickhouse.ts';
import { engineLockHolder } from '../sink/engine-directory.ts';
import { EngineError } from '../sink/sink-error.ts';
import { openClickHouse } from './clickhouse.ts';
import { ConfigError } from './config.ts';
import { dataLayout, makeDataDirectory } from './data-directory.ts';
import { removeEngineFolder } from './engine-folder.ts';
import { exitCodes, type ExitCode } from './exit-codes.ts';
import { jsonLinesSink } from './json-lines-sink.ts';
import { policyRecords } from './policy-records.ts';
import { Progress } from './progress.ts';
import { databaseNameOf, replayDirectory } from './replay-database.ts';
import { pipeline } from './roles.ts';
import { StopSignals } from './stop-signals.ts';

/** What waits for the sinks at the end is bounded, 20,000 records; the engine takes them in a second or two. */
const drainMs = 60_000;
/** What the sinks have taken goes at once; nothing else reads it. */
const retention = { ageMs: 0, bytes: 0, checkEveryMs: 100 };

export interface ReplayOptions {
  readonly file: string;
  /** In the place of the recorded policies. */
  readonly policies: readonly string[] | undefined;
  /** A file of JSON lines; `undefined`: into a database. */
  readonly out: string | undefined;
  /** Default: after the file's name. */
  readonly database: string | undefined;
  readonly dataDirectory: string;
  readonly output: Writable & { readonly isTTY?: boolean; readonly columns?: number };
}

/**
 * Judges a capture again by the stages of `palisade up`. Throws `CAPTURE_UNREADABLE` after what stood before the damage has
 * been judged and stored, and `DISK_FULL` or `EVENT_LOG_FAILED` where the alerts' file takes no more.
 */
export async function replay(options: ReplayOptions): Promise<ExitCode> {
  const { output } = options;
  const progress = new Progress({ output, isTerminal: output.isTTY === true, columns: () => output.columns ?? 80 });
  using signals = new StopSignals(() => {
    progress.print('');
  });
  const logger = createLogger({ level: 'warn', destination: output, pretty: true });
  await using capture = await CaptureEventLog.open(options.file);
  const policies = options.policies === undefined ? undefined : await policyRecords(options.policies, logger);
  const ended = new AbortController();
  await using destination = await destinationOf(options, logger, () => {
    ended.abort();
  });
  await using outputs = new MemoryEventLog({ retention });
  await using log = new ReplayLog({
    capture,
    outputs,
    kept: destination.sinks.map(({ input }) => input),
    ...(policies === undefined ? {} : { policies }),
    onProgress: (now) => {
      const share = now.bytes === 0 ? 1 : now.bytesRead / now.bytes;
      progress.show({ share, events: now.events, result: () => resultText(now) });
    },
    onEnd: () => {
      ended.abort();
    },
  });
  const startedMs = performance.now();
  const signal = AbortSignal.any([signals.signal, ended.signal]);
  await runStages(
    [pipeline({ keepsState: false }), ...destination.sinks],
    log,
    { logger, metrics: new Metrics(), drainMs },
    signal,
  );
  await destination[Symbol.asyncDispose]();
  if (destination.failure !== undefined) throw destination.failure;
  const seconds = (performance.now() - startedMs) / 1000;
  progress.print(`${summary(log.progress, seconds)}\n${destination.where}\n`);
  if (log.damage !== undefined) throw log.damage;
  if (!signals.signal.aborted) return exitCodes.done;
  progress.print('Stopped before the end of the capture.\n');
  return exitCodes.interrupted;
}

/** Throws ConfigError where `out` is the capture itself, by whatever name: it would be emptied before it is read. */
async function refuseCapture(file: string, out: string): Promise<void> {
  const capture = await stat(file, { bigint: true });
  // What is not there is no capture; what can't be looked at can't be opened either, and that is reported.
  const there = await stat(out, { bigint: true }).catch(() => undefined);
  if (there?.dev === capture.dev && there.ino === capture.ino)
    throw new ConfigError('--out', 'flag --out', 'is the capture itself, which it would replace');
}

interface Destination extends AsyncDisposable {
  readonly sinks: readonly SinkStage[];
  /** Where the alerts are, for people. */
  readonly where: string;
  /** Why nothing more could be stored. */
  readonly failure: EventLogError | undefined;
}

/** `onFailure` is called where nothing more can be stored. */
async function destinationOf(options: ReplayOptions, logger: Logger, onFailure: () => void): Promise<Destination> {
  if (options.out !== undefined) {
    const { out } = options;
    await refuseCapture(options.file, out);
    const sink = await jsonLinesSink(out, onFailure).catch((error: unknown) => {
      throw new ConfigError('--out', 'flag --out', `can't be written: ${String(error)}`, { cause: error });
    });
    return {
      sinks: [sink.stage],
      where: `Alerts are in ${printable(out)}.`,
      get failure() {
        return sink.failure;
      },
      [Symbol.asyncDispose]: () => sink[Symbol.asyncDispose](),
    };
  }
  const name = options.database ?? databaseNameOf(options.file);
  const directory = replayDirectory(options.dataDirectory, name);
  const holder = engineLockHolder(dataLayout(directory).engine);
  if (holder !== undefined) throw new EngineError(`process ${holder} has the database ${name} open`);
  // It was made by a replay: nothing else writes here.
  await removeEngineFolder(dataLayout(directory).engine);
  await rm(directory, { recursive: true, force: true });
  await makeDataDirectory(dataLayout(options.dataDirectory));
  for (const folder of [path.dirname(directory), directory]) await mkdir(folder, { recursive: true, mode: 0o711 });
  const destination = await openClickHouse(directory, logger);
  return {
    sinks: [alertsSink(destination.client), coverageSink(destination.client)],
    where: `Alerts are in the database ${name}: npx palisade sql --database ${name} "SELECT * FROM alerts"`,
    // The engine is waited for, and what it refuses becomes dead letters.
    failure: undefined,
    [Symbol.asyncDispose]: () => destination[Symbol.asyncDispose](),
  };
}

const grouped = new Intl.NumberFormat('en-US');

function resultText({ outputs }: ReplayProgress): string {
  const alerts = outputs.get('alerts') ?? 0;
  return `${grouped.format(alerts)} ${alerts === 1 ? 'alert' : 'alerts'}`;
}

function summary(progress: ReplayProgress, seconds: number): string {
  const { events, outputs } = progress;
  const rate = grouped.format(Math.round(events / Math.max(seconds, 0.001)));
  const text = `${grouped.format(events)} events, ${resultText(progress)} in ${seconds.toFixed(1)} s (${rate} events/s)`;
  const unreadable = outputs.get('dead-letters') ?? 0;
  return unreadable === 0 ? text : `${text}; ${grouped.format(unreadable)} records could not be read`;
}
