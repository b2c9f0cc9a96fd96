import { readFileSync } from 'node:fs';
import type { EventLog } from '../eventlog/event-log.ts';
import type { SourceStage } from '../eventlog/stage.ts';
import { monitorOperations, openMonitor } from '../native/monitor.ts';
import { CollectorSession, type CollectorReport } from './collector-session.ts';
import { decidingHierarchy } from './cgroup-hierarchy.ts';
import { installedRuntimes, readContainers, writeLayouts, writeRuntimes } from './container-maps.ts';
import { scanContainers } from './container-scan.ts';
import { containerConstant } from './container-structs.ts';
import { describeHost } from './host-descriptor.ts';
import { PipelineProcesses } from './pipeline-processes.ts';
import { existingProcesses } from './process-scan.ts';
import { RuntimeStates } from './runtime-state.ts';
import { SavedContainers } from './saved-containers.ts';
import { SessionJournal } from './session-journal.ts';

/** Plain data: it crosses into the collector's thread. */
export interface CollectorOptions {
  readonly nodeId: string;
  /** For the session journal and the list of containers; made where it is missing. */
  readonly dataDirectory: string;
  /** On a bpf file system. */
  readonly pinDirectory: string;
  /** Power of two. */
  readonly ringBytes: number;
  /** Executables of container runtimes beside those that are found by name and in engines' configurations. */
  readonly runtimeExecutables?: readonly string[];
}

/** How often the list of containers is looked at, milliseconds: the kernel's own map is pinned, this is the second belt. */
const saveEveryMs = 10_000;

/**
 * The source of raw events: the monitor in the kernel, read until `signal` aborts, then drained. Throws KernelError where the
 * kernel refuses. It keeps its thread busy: run it by `collectorThread`.
 */
export function collectorStage(
  options: CollectorOptions,
  report: CollectorReport,
  processes = new PipelineProcesses(),
): SourceStage {
  return {
    name: 'collector',
    outputs: ['raw-events'],
    run: (log, signal) => collect({ options, report, processes, log, signal }),
  };
}

interface Collecting {
  readonly options: CollectorOptions;
  readonly report: CollectorReport;
  /** Beside this one. */
  readonly processes: PipelineProcesses;
  readonly log: Pick<EventLog, 'append'>;
  readonly signal: AbortSignal;
}

/** As the stage's `run`, with a log that need only append. */
export async function collect({ options, report, processes, log, signal }: Collecting): Promise<void> {
  const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  const hierarchy = decidingHierarchy();
  const states = new RuntimeStates(hierarchy);
  const saved = new SavedContainers(options.dataDirectory, bootId);
  const host = await describeHost(hierarchy);
  using journal = new SessionJournal(options.dataDirectory);
  // The hooks of cgroups are at work from here on; events are left out until the containers that run already are known.
  await using monitor = openMonitor({
    pinDirectory: options.pinDirectory,
    ringBytes: options.ringBytes,
    hierarchy: hierarchy.deciding,
    operationsOff: monitorOperations,
  });
  monitor.registerProcess();
  processes.handTo((pid) => {
    monitor.registerProcess(pid);
  });
  writeLayouts(monitor);
  writeRuntimes(monitor, [...installedRuntimes(), ...(options.runtimeExecutables ?? [])]);
  const unknownContainers = scanContainers({ maps: monitor, hierarchy, states, saved: saved.read() });
  if (unknownContainers > 0) {
    report({
      level: 'error',
      message: 'More containers run than the kernel is told of: what those beyond the limit do is told as the host’s.',
      fields: { unknownContainers, limit: containerConstant.containersMax },
    });
  }
  for (const operation of monitorOperations) monitor.setOperationEnabled(operation, true);
  const watchingSinceNs = monitor.clock().bootTimeNs;
  const existing = existingProcesses(monitor.scanProcesses());

  const session = new CollectorSession({
    nodeId: options.nodeId,
    bootId,
    monitor,
    journal,
    hierarchy,
    states,
    log,
    report,
    host,
    existing,
    watchingSinceNs,
  });
  const save = (): void => {
    try {
      saved.write(readContainers(monitor));
    } catch (error) {
      // A full disk, most often: whoever watches on is worth more than the second belt, which is tried again.
      if (!(error instanceof Error && 'syscall' in error)) throw error;
      report({ level: 'warn', message: 'The list of containers could not be kept.', fields: { error: String(error) } });
    }
  };
  save();
  const saving = setInterval(save, saveEveryMs);
  try {
    await session.run(signal);
    save();
  } finally {
    clearInterval(saving);
  }
}
