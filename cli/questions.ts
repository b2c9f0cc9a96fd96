import type { Command } from 'commander';
import type { Config, ConfigKey } from './config.ts';
import type { ExitCode } from './exit-codes.ts';
import { parseMoment } from './time-argument.ts';

/** What the command line gives to who adds commands to it. */
export interface QuestionsOptions {
  readonly program: Command;
  /** Makes a command that takes every setting as a flag. */
  readonly command: (name: string, description: string) => Command;
  readonly configFrom: (flags: Flags) => Config;
  readonly end: (code: ExitCode) => void;
  readonly write: (text: string) => void;
}

type Flags = Readonly<Partial<Record<ConfigKey, unknown>>> & { readonly json?: true; readonly config?: string };

interface LossFlags extends Flags {
  readonly from?: bigint;
  readonly to?: bigint;
  readonly node?: readonly string[];
}

const momentFrom = (text: string): bigint => parseMoment(text, Date.now());

/** Adds the commands that ask and change nothing. */
export function addQuestions({ program, command, configFrom, end, write }: QuestionsOptions): void {
  command('loss', 'Say whether a span of time is complete, or what of it is unknown, and why.')
    .option('--from <time>', 'how long ago (15m, 2h) or a date and time; default: the first coverage', momentFrom)
    .option('--to <time>', 'likewise; default: ten seconds ago', momentFrom)
    .option('--node <id...>', 'nodes that must be covered; default: all that were ever watched')
    .option('--json', 'print one JSON object')
    .action(async (flags: LossFlags) => {
      if (flags.from !== undefined && flags.to !== undefined && flags.from >= flags.to)
        program.error('error: --from must be before --to');
      const { loss } = await import('./loss.ts');
      const { engineRunsAs } = await import('./engine.ts');
      const { dataDirectory } = configFrom(flags);
      const span = { fromNs: flags.from, toNs: flags.to, nodes: flags.node ?? [], nowMs: Date.now() };
      end(await loss({ ...span, dataDirectory, runAs: engineRunsAs(), json: flags.json === true, write }));
    });
}
