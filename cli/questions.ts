import { InvalidArgumentError, type Command } from 'commander';
import type { Config, ConfigKey } from './config.ts';
import { alertActions, alertOperations } from './alert-filter.ts';
import type { ExitCode } from './exit-codes.ts';
import { collectName, collectWord } from './name-arguments.ts';
import { parseMoment } from './time-argument.ts';

/** Most alerts that can be asked for: they are held in memory, at about 2 KB each. More is for `palisade sql`. */
const maxAlerts = 100_000;

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

interface AlertsFlags extends Flags {
  readonly follow?: true;
  readonly policy?: readonly string[];
  readonly namespace?: readonly string[];
  readonly container?: readonly string[];
  readonly action?: readonly string[];
  readonly operation?: readonly string[];
  readonly node?: readonly string[];
  readonly severity?: number;
  readonly since?: bigint;
  readonly until?: bigint;
  readonly limit?: number;
}

const momentFrom = (text: string): bigint => parseMoment(text, Date.now());

function wholeNumber(lowest: number, highest: number): (text: string) => number {
  return (text) => {
    const number = /^\d{1,9}$/u.test(text) ? Number(text) : Number.NaN;
    if (number >= lowest && number <= highest) return number;
    throw new InvalidArgumentError(`Give a whole number from ${lowest} to ${highest}.`);
  };
}

/** Adds the commands that ask and change nothing. */
export function addQuestions(options: QuestionsOptions): void {
  addAlerts(options);
  addLoss(options);
  addPolicy(options);
}

function addPolicy({ program, end, write }: QuestionsOptions): void {
  const policy = program.command('policy').description('Look into policies.').exitOverride();
  policy
    .command('check <path...>')
    .description(
      'Say everything about policy files that `palisade up` would: what is refused, meant otherwise, without effect here.',
    )
    .exitOverride()
    .option('--json', 'print one JSON object')
    .action(async (paths: readonly string[], flags: { readonly json?: true }) => {
      const { policyCheck } = await import('./policy-check.ts');
      end(await policyCheck({ paths, json: flags.json === true, write }));
    });
}

function addAlerts({ program, command, configFrom, end }: QuestionsOptions): void {
  command('alerts', 'Show alerts: the newest that are stored, or with -f those that come. Repeated filters widen.')
    .option('-f, --follow', 'wait for alerts and show them as they come; with --since also those that the log has')
    .option('--policy <name...>', 'by this policy', collectName)
    .option('--namespace <name...>', 'in this namespace', collectName)
    .option('--container <name...>', 'in the container of this name or id', collectName)
    .option('--action <action...>', 'Block, Audit or "Audit (Block)"', collectWord(alertActions))
    .option('--operation <operation...>', 'Process, File or Network', collectWord(alertOperations))
    .option('--node <id...>', 'on this node', collectName)
    .option('--severity <number>', 'of at least this severity, 1 to 10', wholeNumber(1, 10))
    .option('--since <time>', 'how long ago (15m, 2h) or a date and time', momentFrom)
    .option('--until <time>', 'likewise; what happened before it', momentFrom)
    .option(
      '--limit <number>',
      'so many at most, the newest; default 100. With -f: end after so many',
      wholeNumber(1, maxAlerts),
    )
    .option('--json', "print KubeArmor's JSON, one alert a line")
    .action(async (flags: AlertsFlags) => {
      if (flags.since !== undefined && flags.until !== undefined && flags.since >= flags.until)
        program.error('error: --since must be before --until');
      if (flags.follow === true && flags.until !== undefined && flags.until <= momentFrom('0s'))
        program.error('error: with -f --until must be a time to come: what is shown are alerts that come before it');
      const { alerts } = await import('./alerts.ts');
      const { engineRunsAs } = await import('./engine.ts');
      const filter = {
        policy: flags.policy ?? [],
        namespace: flags.namespace ?? [],
        container: flags.container ?? [],
        action: flags.action ?? [],
        operation: flags.operation ?? [],
        node: flags.node ?? [],
        severity: flags.severity,
        sinceNs: flags.since,
        untilNs: flags.until,
      };
      const { dataDirectory } = configFrom(flags);
      const shown = { limit: flags.limit, follow: flags.follow === true, json: flags.json === true };
      end(await alerts({ dataDirectory, runAs: engineRunsAs(), filter, ...shown }));
    });
}

function addLoss({ program, command, configFrom, end, write }: QuestionsOptions): void {
  command('loss', 'Say whether a span of time is complete, or what of it is unknown, and why.')
    .option('--from <time>', 'how long ago (15m, 2h) or a date and time; default: the first coverage', momentFrom)
    .option('--to <time>', 'likewise; default: ten seconds ago', momentFrom)
    .option('--node <id...>', 'nodes that must be covered; default: all that were ever watched', collectName)
    .option('--json', 'print one JSON object')
    .action(async (flags: LossFlags) => {
      const { loss, settledMoment } = await import('./loss.ts');
      const nowMs = Date.now();
      if (flags.from !== undefined && flags.from >= (flags.to ?? settledMoment(nowMs)))
        program.error('error: --from must be before --to, which is ten seconds ago where it is not given');
      const { engineRunsAs } = await import('./engine.ts');
      const { dataDirectory } = configFrom(flags);
      const span = { fromNs: flags.from, toNs: flags.to, nodes: flags.node ?? [], nowMs };
      end(await loss({ ...span, dataDirectory, runAs: engineRunsAs(), json: flags.json === true, write }));
    });
}
