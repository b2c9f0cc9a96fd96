import type { ClickHouseClient } from '@clickhouse/client';
import { collectorThread } from '../collector/collector-thread.ts';
import { EmbeddedEventLog } from '../eventlog/embedded.ts';
import { runStages } from '../eventlog/runner.ts';
import type { SourceStage } from '../eventlog/stage.ts';
import { synchronizePolicyFiles, ToldIssues } from '../matcher/policy-files-source.ts';
import { PalisadeError } from '../runtime/errors.ts';
import { printable } from '../runtime/printable.ts';
import { createLogger, type Logger } from '../runtime/logger.ts';
import { Metrics } from '../runtime/metrics.ts';
import type { Config } from './config.ts';
import { bootTimeNs } from './boot-time.ts';
import { openClickHouse } from './clickhouse.ts';
import { dataLayout, makeDataDirectory } from './data-directory.ts';
import { recordingFile } from './demo/recording.ts';
import { exitCodes, type ExitCode } from './exit-codes.ts';
import { checkHost } from './host-checks.ts';
import { keptNodeId } from './node-id.ts';
import { recordingSource } from './recording-source.ts';
import { upStages, type PolicySourceOptions } from './roles.ts';
import { createScreen, type Screen } from './screen.ts';
import { StopSignals } from './stop-signals.ts';
import { AlertTail, StatusCounter } from './tail-alerts.ts';

/** How often the status line gets new figures. */
const statusEveryMs = 1000;
/**
 * Draining at the end may take this long. With 1 s of grace, 2 s to show what is left and 5 s for an engine that hangs the
 * process is gone within 15 s, as docs/cli.md promises.
 */
const drainMs = 6_500;

export interface UpOptions {
  /** Alerts as KubeArmor's JSON on standard output; what is for people goes to standard error. */
  readonly json: boolean;
}

/** What the stages run on, once it is there. */
interface Running {
  readonly config: Config;
  readonly log: EmbeddedEventLog;
  readonly client: ClickHouseClient;
  readonly policies: PolicySourceOptions;
  readonly nodeId: string;
  /** The kernel's events. */
  readonly live: SourceStage;
  readonly logger: Logger;
  readonly screen: Screen;
  readonly signal: AbortSignal;
}

/** Runs the whole flow in this process until a signal ends it. Throws PalisadeError for what a person can put right. */
export async function up(config: Config, options: UpOptions): Promise<ExitCode> {
  const screen = createScreen(options);
  using signals = new StopSignals(() => {
    screen.terminal.clearStatus();
  });
  const logger = createLogger({ level: 'warn', destination: screen.logLines, pretty: true });
  const layout = dataLayout(config.dataDirectory);
  await makeDataDirectory(layout);
  await using log = await EmbeddedEventLog.open({
    directory: layout.log,
    durability: config.durability,
    retention: { bytes: config.retentionSize, ageMs: config.retentionAge },
  });
  for (const notice of log.notices) logger.warn(notice);
  const nodeId = config.nodeId ?? (await keptNodeId(config.dataDirectory));
  const told = new ToldIssues(logger);
  const policies = { paths: config.policies, sourceId: `files@${nodeId}`, logger, told };
  // Before the first event, so that what happens at once is judged by the policies that are there.
  const found = await synchronizePolicyFiles(log, policies);
  const live = collectorThread(
    { nodeId, dataDirectory: layout.collector, pinDirectory: config.pinDirectory, ringBytes: config.ringSize },
    { createAppendPort: () => log.createAppendPort(), logger },
  );
  await using destination = await openClickHouse(layout.root, logger, (pid) => {
    // Its own file noise is left out, from its first act on, and again when it is started anew.
    live.addProcess(pid);
  });
  const { client } = destination;
  screen.terminal.print(`${found.policies} policies in force. Alerts appear here; Ctrl-C ends.\n`);
  const { signal } = signals;
  const isDrained = await runLiveOrRecorded({ config, log, client, policies, nodeId, live, logger, screen, signal });
  screen.terminal.print(
    isDrained
      ? 'Stopped; everything that was seen is stored.\n'
      : 'Stopped before everything that was seen was stored: nothing of it is lost, the next start goes on with it.\n',
  );
  return exitCodes.done;
}

/** Watches the kernel where that is possible, else plays the recording; says which, and why. Resolves to whether all was drained. */
async function runLiveOrRecorded(running: Running): Promise<boolean> {
  const { config, nodeId, live, screen } = running;
  const missing = checkHost(config.pinDirectory).filter((check) => !check.holds);
  let reasons = missing.map((check) => check.detail);
  if (reasons.length === 0) {
    try {
      return await run(running, live);
    } catch (error) {
      // What the checks could not foresee: the kernel itself said no, and its message says to what.
      if (!(error instanceof PalisadeError && error.code === 'KERNEL_REFUSED')) throw error;
      reasons = [printable(error.message)];
    }
  }
  screen.terminal.print(
    `This machine's kernel can't be watched:\n${reasons.map((reason) => `  ${reason}\n`).join('')}` +
      'Playing a recording through the same pipeline instead; its alerts are marked [recording].\n\n',
  );
  const onPlayed = (): void => {
    screen.terminal.print('The recording is over. `npx palisade sql` has its alerts; Ctrl-C ends.\n');
  };
  return await run(running, recordingSource({ file: recordingFile(), nodeId, onPlayed }));
}

async function run({ log, client, policies, logger, screen, signal }: Running, events: SourceStage): Promise<boolean> {
  const metrics = new Metrics();
  const counter = new StatusCounter();
  const startedNs = bootTimeNs();
  let watching = false;
  const tail = new AlertTail({
    log,
    onAlert: (alert) => {
      counter.alert();
      screen.showAlert(alert);
    },
    onCoverage: (coverage) => {
      // The first figures of a session of this run prove that events come from the kernel all the way to here; those of
      // an earlier one, read first after a kill, say nothing about now.
      const isOurs = coverage.origin === 'live' && coverage.session >= startedNs;
      if (!watching && isOurs) screen.terminal.print(`Watching this machine as ${coverage.nodeId}.\n\n`);
      watching ||= isOurs;
      counter.coverage(coverage);
    },
  });
  let lastMs = performance.now();
  const status = setInterval(() => {
    const nowMs = performance.now();
    screen.terminal.showStatus(counter.take(nowMs - lastMs, lagOf(metrics)), nowMs);
    lastMs = nowMs;
  }, statusEveryMs);
  try {
    return await runStages(upStages({ events, policies, client }), log, { logger, metrics, drainMs }, signal);
  } finally {
    clearInterval(status);
    await tail.end();
    screen.terminal.clearStatus();
  }
}

/** Records that wait for the slowest stage. */
function lagOf(metrics: Metrics): number {
  const lags = metrics
    .snapshot()
    .flatMap((sample) => (sample.name === 'palisade_lag_records' && sample.kind === 'gauge' ? sample.value : []));
  return Math.max(0, ...lags);
}
