import { Command, CommanderError, Option } from 'commander';
import process from 'node:process';
import { PalisadeError } from '../runtime/errors.ts';
import { printable } from '../runtime/printable.ts';
import { ConfigError, configSchema, resolveConfig, type Config, type ConfigKey } from './config.ts';
import { exitCodes, type ExitCode } from './exit-codes.ts';
import { messagesBeside } from './messages-beside.ts';
import { parseFile } from './name-arguments.ts';
import { addQuestions } from './questions.ts';
import { addRun } from './run-command.ts';
import { withSettings, type SettingMeanings } from './setting-flags.ts';
import { addTopics } from './topics-command.ts';
import { parseDuration } from './units.ts';

/** better-sqlite3 13 loads on older ones and then crashes without a word, so they are refused before it is loaded. */
const oldestNode = { major: 22, minor: 20 };

const write = (text: string): void => {
  process.stdout.write(text);
};

/** Runs one command. Never throws for what a person can put right; the exit code says how it ended. */
async function main(arguments_: readonly string[]): Promise<ExitCode> {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major < oldestNode.major || (major === oldestNode.major && minor < oldestNode.minor)) {
    process.stderr.write(
      `palisade needs Node ${oldestNode.major}.${oldestNode.minor} or later; this is ${process.versions.node}. ` +
        'Start it with `npx palisade`, which uses the one that `npm run setup` installed.\n',
    );
    return exitCodes.unavailable;
  }
  let code: ExitCode = exitCodes.done;
  const program = createProgram((ended) => {
    code = ended;
  });
  try {
    await program.parseAsync(arguments_, { from: 'user' });
    return code;
  } catch (error) {
    return explain(error);
  }
}

/** Prints what went wrong and finds its exit code. */
function explain(error: unknown): ExitCode {
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
  // Several stages that ended for one reason, such as a full disk.
  if (error instanceof AggregateError && error.errors.every((one) => one instanceof PalisadeError))
    return error.errors.map(explain)[0] ?? exitCodes.failed;
  // What failed, and what failed once more when it was cleaned up: the first is why.
  if (error instanceof SuppressedError) {
    const code = explain(error.suppressed);
    explain(error.error);
    return code;
  }
  if (isSystemError(error)) {
    process.stderr.write(`palisade: ${printable(error.message)}\n`);
    return exitCodes.failed;
  }
  if (!(error instanceof PalisadeError)) throw error;
  process.stderr.write(`palisade: ${printable(error.message)} [${error.code}]\n`);
  switch (error.code) {
    case 'CONFIG_INVALID':
      return exitCodes.config;
    case 'EVENT_LOG_OWNED':
      return exitCodes.busy;
    case 'KERNEL_REFUSED':
      return exitCodes.unavailable;
    default:
      return exitCodes.failed;
  }
}

/** What the system refused, most often a folder of another user or a full disk: its words name the call and the path. */
function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'errno' in error && 'syscall' in error;
}

function createProgram(end: (code: ExitCode) => void): Command {
  const program = new Command('palisade')
    .description(
      'Runtime security for containers and hosts: what processes do, seen in the kernel, judged by policies.',
    )
    .addHelpText('after', examples)
    .showSuggestionAfterError()
    .exitOverride();
  const command = (name: string, description: string, meanings?: SettingMeanings): Command =>
    // Every setting of a node is a flag of every command: they all have to find the same data.
    withSettings(program.command(name).description(description).exitOverride(), configSchema, meanings);

  command('up', 'Watch this machine and show alerts as they happen. Where it cannot be watched, play the recording.')
    .option('--json', "print alerts as KubeArmor's JSON, one a line, and nothing else")
    .action(async (flags: Flags) => {
      const { up } = await import('./up.ts');
      end(await up(configFrom(flags), { json: flags.json === true }));
    });
  command('demo', 'Play a break-in in a throwaway container and wait for its alerts from the running `palisade up`.')
    .option('--recorded', 'play the recording, without a container and without root')
    .option('--json', "print the alerts as KubeArmor's JSON, one a line")
    .action(async (flags: Flags & { readonly recorded?: true }) => {
      const { demo } = await import('./demo.ts');
      end(await demo(configFrom(flags), { recorded: flags.recorded === true, json: flags.json === true }));
    });
  command('sql <query>', 'Query alerts and coverage with ClickHouse SQL, while `up` runs and after it has stopped.')
    .option('--json', 'print one JSON object a row')
    .option('--format <name>', 'a ClickHouse output format, for a query without FORMAT')
    .option('--database <name>', 'the database of a replay, instead of the live one')
    .action(async (query: string, flags: Flags & { readonly format?: string; readonly database?: string }) => {
      const { runSql } = await import('./sql.ts');
      const { engineRunsAs } = await import('./engine.ts');
      const { existingReplay } = await import('./replay-database.ts');
      const live = configFrom(flags).dataDirectory;
      const dataDirectory = flags.database === undefined ? live : existingReplay(live, flags.database);
      const { stdout } = process;
      const terminal = { output: stdout, isTerminal: stdout.isTTY, columns: stdout.columns };
      end(
        await runSql({
          query,
          json: flags.json === true,
          format: flags.format,
          dataDirectory,
          runAs: engineRunsAs(),
          ...terminal,
        }),
      );
    });
  command('record', 'Write what the kernel tells, or the log of `palisade up`, into a capture: an Avro file.')
    .requiredOption(
      '-o, --output <file>',
      'the capture; one that is there is replaced at the end. Until then, and where it fails, what is recorded is in FILE.partial',
      parseFile,
    )
    .option('--for <duration>', 'how long, such as 60s or 10m; without it until Ctrl-C, or all that the log has')
    .option('--from-log', "from the data directory's log, whether `up` runs or not, instead of from the kernel")
    .action(async (flags: RecordFlags) => {
      const { record } = await import('./record.ts');
      end(
        await record(configFrom(flags), {
          file: flags.output,
          durationMs: durationFrom(flags.for),
          fromLog: flags.fromLog === true,
          output: messagesBeside(flags.output),
        }),
      );
    });
  const capture = program.command('capture').description('Look into captures.').exitOverride();
  capture
    .command('info <file>')
    .description('Say what is in a capture: nodes, sessions, span, events by operation, containers, coverage.')
    .exitOverride()
    .option('--json', 'print one JSON object')
    .action(async (file: string, flags: { readonly json?: true }) => {
      const { captureInfo } = await import('./capture-info.ts');
      end(await captureInfo({ file, json: flags.json === true, write }));
    });
  command('replay <file>', 'Judge a capture again, as fast as it can be: its alerts go into a database of their own.', {
    policies:
      'Files or folders with KubeArmor policies, instead of the recorded ones, from before the first event on. Only as a flag. ' +
      'Default: the recorded policies, each from its recorded place on.',
  })
    .option('--out <file>', 'write the alerts as JSON lines instead', parseFile)
    .addOption(
      new Option(
        '--database <name>',
        'name of the database; default: after the file. One of an earlier replay is replaced',
      ).conflicts('out'),
    )
    .action(async (file: string, flags: ReplayFlags) => {
      const { replay } = await import('./replay.ts');
      const config = configFrom(flags);
      end(
        await replay({
          file,
          policies: flags.policies === undefined ? undefined : config.policies,
          out: flags.out,
          database: flags.database,
          dataDirectory: config.dataDirectory,
          output: flags.out === undefined ? process.stdout : messagesBeside(flags.out),
        }),
      );
    });
  addRun({ program, end });
  addTopics({ program, end, write });
  addQuestions({ program, command, configFrom, end, write });
  command('doctor', 'Say what holds on this machine, and what Palisade has made in it.')
    .option('--json', 'print one JSON object')
    .action(async (flags: Flags) => {
      const { doctor } = await import('./doctor.ts');
      end(doctor(configFrom(flags), { json: flags.json === true, write }));
    });
  command('uninstall', 'Remove what Palisade has made in this system: pins, data, user.')
    .option('--yes', 'do not ask')
    .action(async (flags: Flags & { readonly yes?: true }) => {
      const { uninstall } = await import('./uninstall.ts');
      end(await uninstall(configFrom(flags), { yes: flags.yes === true, write }));
    });
  return program;
}

type Flags = Readonly<Partial<Record<ConfigKey, unknown>>> & { readonly json?: true; readonly config?: string };

type RecordFlags = Flags & { readonly output: string; readonly for?: string; readonly fromLog?: true };
type ReplayFlags = Flags & { readonly out?: string; readonly database?: string };

/** Milliseconds. Throws ConfigError. */
function durationFrom(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const milliseconds = parseDuration(text);
  // The longest that a timer of Node's takes is 2^31 ms.
  if (milliseconds !== undefined && milliseconds > 0 && milliseconds < 2 ** 31) return milliseconds;
  throw new ConfigError(
    '--for',
    'flag --for',
    `must be a duration with ms, s, m, h or d, 1ms to 24d (got ${JSON.stringify(text)})`,
  );
}

function configFrom(flags: Flags): Config {
  const isRoot = process.getuid?.() === 0;
  const file = flags.config ?? process.env['PALISADE_CONFIG'];
  return resolveConfig({ flags, environment: process.env, file }, isRoot);
}

const examples = `
Start with:
  palisade up                      in one terminal, as root
  palisade demo                    in another

Then look closer:
  palisade sql "SELECT time, action, process_name, resource FROM alerts ORDER BY time DESC LIMIT 10"
  palisade record -o FILE --for 60s   what happens here, to be judged again by palisade replay FILE
  palisade alerts -f --severity 7  alerts as they come; without -f those that are stored
  palisade loss --from 1h          whether anything of the last hour is missing
  palisade doctor                  what this machine can do, what was made in it

Exit codes: 0 done, 1 failed, 64 usage, 69 something is missing or not running, 75 another one runs, 78 configuration,
130 stopped at once. More in docs/cli.md.
`;

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // Whoever read has enough (`… | head`): nothing is lost by going, since what is stored is stored before it is shown.
  if (error.code === 'EPIPE') process.exit(exitCodes.done);
  throw error;
});
process.exitCode = await main(process.argv.slice(2));
