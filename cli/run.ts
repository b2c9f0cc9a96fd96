import process from 'node:process';
import { enricherStage } from '../enricher/enricher.ts';
import { EventLogError } from '../eventlog/errors.ts';
import type { KafkaConnection } from '../eventlog/kafka-config.ts';
import { KafkaEventLog } from '../eventlog/kafka.ts';
import { runStages, type Stage } from '../eventlog/runner.ts';
import { matcherStage } from '../matcher/matcher.ts';
import { createLogger, type Logger } from '../runtime/logger.ts';
import { Metrics } from '../runtime/metrics.ts';
import { printable } from '../runtime/printable.ts';
import { openClickHouse } from './clickhouse.ts';
import { dataLayout, makeDataDirectory } from './data-directory.ts';
import { exitCodes, type ExitCode } from './exit-codes.ts';
import { kafkaConnection, type RunConfig } from './kafka-config.ts';
import { assertTopicsPresent } from './kafka-topics-present.ts';
import { palisadeVersion } from './palisade-version.ts';
import { pipeline, sinks } from './roles.ts';
import { StopSignals } from './stop-signals.ts';
import { kafkaRoles } from './topic-acls.ts';

/** The roles that are processors: what each runs. */
const processors = { enricher: enricherStage, matcher: matcherStage, pipeline } as const;

export type ProcessorRole = keyof typeof processors;

/** Runs a processor on Kafka until a signal ends it. Throws PalisadeError for what a person can put right. */
export async function runProcessorRole(role: ProcessorRole, config: RunConfig): Promise<ExitCode> {
  return runRole(role, config, (runs) => runs([processors[role]()]));
}

/** Runs the sinks on Kafka, into the engine of a data directory, until a signal ends it. Throws PalisadeError. */
export async function runSinkRole(config: RunConfig & { readonly dataDirectory: string }): Promise<ExitCode> {
  return runRole('sink', config, async (runs, logger) => {
    const layout = dataLayout(config.dataDirectory);
    await makeDataDirectory(layout);
    await using destination = await openClickHouse(layout.root, logger);
    await runs(sinks(destination.client));
  });
}

type RunsStages = (stages: readonly Stage[]) => Promise<void>;

async function runRole(
  role: string,
  config: RunConfig,
  work: (runs: RunsStages, logger: Logger) => Promise<void>,
): Promise<ExitCode> {
  using signals = new StopSignals(() => undefined);
  const { signal } = signals;
  const logger = createLogger({ level: 'info' }).child({ role });
  const connection = { ...kafkaConnection(config, `palisade-${role}`), logger };
  if (!(await isReady(role, connection, { config, logger, signal }))) {
    return signal.aborted ? exitCodes.done : exitCodes.unavailable;
  }
  {
    // Closed ahead of what is said of the end.
    await using log = new KafkaEventLog({
      ...connection,
      prefix: config.kafkaPrefix,
      producer: `palisade/${palisadeVersion()}`,
    });
    await work(async (stages) => {
      logger.info({ stages: stages.map(({ name }) => name) }, 'running');
      await runStages(stages, log, { logger, metrics: new Metrics(), handsOver: true }, signal);
    }, logger);
  }
  if (!signal.aborted) {
    // Nobody asked for it: whoever has taken the partitions, over and over, is another instance that the group does not know of.
    logger.error('every partition was taken by others again and again, and nothing is left to do here');
    return exitCodes.failed;
  }
  logger.info('stopped; what is left is for whoever goes on');
  return exitCodes.done;
}

interface Start {
  readonly config: RunConfig;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/** Whether the cluster is there, with the topics of `role`, before a signal came. Else it was told why. */
async function isReady(role: string, connection: KafkaConnection, start: Start): Promise<boolean> {
  const { config, logger, signal } = start;
  const { brokers } = connection;
  const needs = kafkaRoles().find(({ name }) => name === role);
  if (needs === undefined) throw new TypeError(`there is no role ${role}`);
  logger.info({ brokers, prefix: config.kafkaPrefix }, 'connecting to Kafka');
  try {
    await assertTopicsPresent({
      connection,
      prefix: config.kafkaPrefix,
      needs: [...new Set([...needs.reads, ...needs.writes])],
      signal,
      onRetry: (error, delayMs) => {
        const reason = error instanceof Error ? printable(error.message) : 'no reason';
        logger.warn({ delayMs: Math.round(delayMs) }, `Kafka does not answer and is tried again: ${reason}`);
      },
    });
    return !signal.aborted;
  } catch (error) {
    if (!(error instanceof EventLogError)) throw error;
    if (!signal.aborted) process.stderr.write(`palisade: ${printable(error.message)} [${error.code}]\n`);
    return false;
  }
}
