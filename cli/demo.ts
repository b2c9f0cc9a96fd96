import { setTimeout as delay } from 'node:timers/promises';
import { EmbeddedEventLog } from '../eventlog/embedded.ts';
import { MemoryEventLog } from '../eventlog/memory.ts';
import { ownerOf } from '../eventlog/ownership.ts';
import { runStages } from '../eventlog/runner.ts';
import { synchronizePolicyFiles } from '../matcher/policy-files-source.ts';
import { createLogger } from '../runtime/logger.ts';
import { Metrics } from '../runtime/metrics.ts';
import type { Alert } from '../schemas/generated.ts';
import type { Config } from './config.ts';
import { dataLayout } from './data-directory.ts';
import { missingForContainer, playStory } from './demo/container.ts';
import { recordingFile } from './demo/recording.ts';
import { demoContainerName, story } from './demo/story.ts';
import { ContainerFailed } from './demo/throwaway-container.ts';
import { exitCodes, type ExitCode } from './exit-codes.ts';
import { pipeline } from './roles.ts';
import { recordingSource } from './recording-source.ts';
import { createScreen, type Screen } from './screen.ts';
import { StopSignals } from './stop-signals.ts';
import { AlertTail } from './tail-alerts.ts';

/** An alert takes a fraction of a second from the act; a machine under heavy load may need seconds. */
const alertsTimeoutMs = 60_000;

/** A collector tells its figures once a second; one that has just started takes a little longer. */
const watchingTimeoutMs = 60_000;

export interface DemoOptions {
  /** Play the recording, on purpose. */
  readonly recorded: boolean;
  readonly json: boolean;
}

/** Plays the story where it can, and waits for its alerts; else says why not and plays the recording. */
export async function demo(config: Config, options: DemoOptions): Promise<ExitCode> {
  const screen = createScreen(options);
  using signals = new StopSignals(() => undefined);
  if (options.recorded) return await playRecording(config, screen, signals.signal);
  const missing = [...missingForContainer()];
  if (ownerOf(dataLayout(config.dataDirectory).log) === undefined)
    missing.push('`palisade up` is not running: start it in another terminal.');
  if (missing.length === 0) return await playLive(config, screen, signals.signal);
  screen.terminal.print(`The demo can't run a container here:\n${missing.map((reason) => `  ${reason}\n`).join('')}`);
  screen.terminal.print('Playing the recording in its place; its alerts are marked [recording].\n\n');
  await playRecording(config, screen, signals.signal);
  return exitCodes.unavailable;
}

/** The story in a real container; its alerts come from the running `palisade up`, read from its log. */
async function playLive(config: Config, screen: Screen, signal: AbortSignal): Promise<ExitCode> {
  await using log = EmbeddedEventLog.openReadOnly({ directory: dataLayout(config.dataDirectory).log });
  // One alert a step; steps of one policy are told apart by nothing but their number.
  const expected = story.map((step) => step.policy);
  const seen = { live: false };
  const tail = new AlertTail({
    log,
    onAlert: (alert) => {
      if (alert.origin !== 'live' || alert.containerName !== demoContainerName) return;
      screen.showAlert(alert);
      const place = expected.indexOf(alert.policyName);
      if (place >= 0) expected.splice(place, 1);
    },
    onCoverage: (coverage) => {
      seen.live ||= coverage.origin === 'live';
    },
  });
  const { terminal } = screen;
  await until(() => seen.live, watchingTimeoutMs, signal);
  if (!seen.live) {
    await tail.end();
    terminal.print('`palisade up` runs, but does not watch this kernel: see what it says, or `palisade doctor`.\n');
    return exitCodes.unavailable;
  }
  terminal.print(`In a throwaway container named ${demoContainerName}:\n`);
  for (const [place, step] of story.entries()) terminal.print(`  ${place + 1}. ${step.title}\n`);
  terminal.print('\n');
  try {
    await playStory({ merged: true, signal });
  } catch (error) {
    await tail.end();
    if (signal.aborted) {
      terminal.print('Stopped; the container is gone.\n');
      return exitCodes.interrupted;
    }
    if (!(error instanceof ContainerFailed)) throw error;
    terminal.print(`The demo's container failed: ${error.message}\n`);
    return exitCodes.unavailable;
  }
  await until(() => expected.length === 0, alertsTimeoutMs, signal);
  await tail.end();
  if (expected.length > 0) {
    terminal.print(
      `No alert within ${alertsTimeoutMs / 1000} s from: ${expected.join(', ')}. Does \`palisade up\` run with other policies?\n`,
    );
    return exitCodes.failed;
  }
  terminal.print(
    `\nThe container is gone, its alerts stay. Ask for them:\n  npx palisade sql "SELECT time, action, process_name, resource FROM alerts WHERE container_name = '${demoContainerName}' ORDER BY time"\n`,
  );
  return exitCodes.done;
}

async function until(holds: () => boolean, timeoutMs: number, signal: AbortSignal): Promise<void> {
  const untilMs = performance.now() + timeoutMs;
  while (!holds() && performance.now() < untilMs && !signal.aborted) await delay(20);
}

/** The recording through the same stages on a log in memory: needs nothing, and leaves nothing. */
async function playRecording(config: Config, screen: Screen, signal: AbortSignal): Promise<ExitCode> {
  await using log = new MemoryEventLog();
  const logger = createLogger({ level: 'warn', destination: screen.logLines, pretty: true });
  await synchronizePolicyFiles(log, { paths: config.policies, sourceId: 'demo', logger });
  const alerts: Alert[] = [];
  const tail = new AlertTail({
    log,
    onAlert: (alert) => {
      alerts.push(alert);
      screen.showAlert(alert);
    },
    onCoverage: () => undefined,
  });
  const played = new AbortController();
  const events = recordingSource({
    file: recordingFile(),
    nodeId: 'demo',
    onPlayed: () => {
      played.abort();
    },
  });
  const metrics = new Metrics();
  await runStages([events, pipeline()], log, { logger, metrics }, AbortSignal.any([signal, played.signal]));
  await tail.end();
  screen.terminal.print(`\n${alerts.length} alerts of a recording. \`palisade up\` as root watches this machine.\n`);
  return alerts.length > 0 ? exitCodes.done : exitCodes.failed;
}
