import type { Command } from 'commander';
import process from 'node:process';
import type { ConfigSources, SettingSchema } from './config.ts';
import type { ExitCode } from './exit-codes.ts';
import { resolveRunConfig, resolveRunSinkConfig, runSchema, runSinkSchema } from './kafka-config.ts';
import { withSettings } from './setting-flags.ts';

interface RunCommandOptions {
  readonly program: Command;
  readonly end: (code: ExitCode) => void;
}

type Flags = Readonly<Record<string, unknown>> & { readonly config?: string };

/** Adds `palisade run`. */
export function addRun({ program, end }: RunCommandOptions): void {
  const run = program
    .command('run')
    .description('Run one role as a process of its own, on the topics of a Kafka cluster.')
    .exitOverride();
  const command = (name: string, description: string, schema: SettingSchema): Command =>
    withSettings(run.command(name).description(description).exitOverride(), schema).addHelpText('after', help);

  for (const [role, description] of processorRoles) {
    command(role, description, runSchema).action(async (flags: Flags) => {
      const { runProcessorRole } = await import('./run.ts');
      end(await runProcessorRole(role, resolveRunConfig(sourcesOf(flags))));
    });
  }
  command(
    'sink',
    'Alerts and coverage into the ClickHouse engine of a data directory; one process.',
    runSinkSchema,
  ).action(async (flags: Flags) => {
    const { runSinkRole } = await import('./run.ts');
    end(await runSinkRole(resolveRunSinkConfig(sourcesOf(flags), process.getuid?.() === 0)));
  });
}

const processorRoles = [
  ['pipeline', 'Raw events in, alerts and coverage out: enricher and matcher in one, without a topic between them.'],
  ['enricher', 'Raw events in, enriched events and coverage out.'],
  ['matcher', 'Enriched events in, alerts out.'],
] as const;

const help = `
Runs until SIGTERM or Ctrl-C, which hands over after the transaction in hand. A cluster that is away is waited for.
Ends with 69 where topics are missing or the cluster refuses. The password is not a flag: put kafkaPassword into the
file, or PALISADE_KAFKA_PASSWORD into the environment. More in docs/cli.md.
`;

function sourcesOf(flags: Flags): ConfigSources {
  return { flags, environment: process.env, file: flags.config ?? process.env['PALISADE_CONFIG'] };
}
