import { PalisadeError } from '../runtime/errors.ts';
import { findEngineAddress } from '../sink/engine-address.ts';
import { engineLockHolder } from '../sink/engine-directory.ts';
import { privilegesOf } from '../sink/engine/privileges.ts';
import type { Config } from './config.ts';
import { dataLayout } from './data-directory.ts';
import { missingForContainer } from './demo/container.ts';
import { engineRunsAs } from './engine.ts';
import { exitCodes, type ExitCode } from './exit-codes.ts';
import { checkHost } from './host-checks.ts';
import type { HostFact } from './host-facts.ts';
import { surveyHost } from './host-survey.ts';
import { jsonText } from './json-text.ts';
import { madeInSystem } from './made-in-system.ts';

export interface DoctorOptions {
  readonly json: boolean;
  readonly write: (text: string) => void;
}

/** Says what holds on this machine and what Palisade has made in it. Changes nothing. */
export function doctor(config: Config, options: DoctorOptions): ExitCode {
  const host = checkHost(config.pinDirectory);
  const missing = missingForContainer();
  const made = madeInSystem(config);
  const engine = engineReport(config);
  const facts = surveyHost();
  const live = host.every((check) => check.holds) && facts.every((fact) => !fact.needed || fact.state === 'yes');
  if (options.json) {
    const report = {
      live,
      host,
      facts,
      demo: { possible: missing.length === 0, missing },
      engine,
      made,
    };
    options.write(`${jsonText(report)}\n`);
  } else {
    const lines = host.map((check) => `  ${check.holds ? 'yes' : 'NO '}  ${check.name.padEnd(16)} ${check.detail}`);
    options.write(`Watching this machine's kernel:\n${lines.join('\n')}\n`);
    options.write(
      live ? '  `palisade up` watches the kernel.\n' : '  `palisade up` runs on the bundled recording instead.\n',
    );
    options.write(`\nWhat this kernel and host can do:\n${facts.map(factText).join('')}`);
    const demo = missing.length === 0 ? 'possible' : missing.join(' ');
    options.write(`\nA container for \`palisade demo\`: ${demo}\n`);
    options.write(`\nThe ClickHouse engine: ${engine}\n`);
    options.write('\nMade by Palisade in this system (`palisade uninstall` removes it):\n');
    for (const { name, exists, detail } of made)
      options.write(`  ${exists ? 'there ' : 'absent'}  ${name}  (${detail})\n`);
  }
  return live ? exitCodes.done : exitCodes.unavailable;
}

const stateWords = { yes: 'yes', limited: 'less', no: 'NO', unknown: '?' } as const;

function factText({ name, state, found, follows, remedy }: HostFact): string {
  const indent = `\n        ${' '.repeat(17)}`;
  const remedyLine = remedy === '' ? '' : `${indent}Remedy: ${remedy}`;
  return `  ${stateWords[state].padEnd(4)}  ${name.padEnd(16)} ${found}${indent}${follows}${remedyLine}\n`;
}

/** As whom the engine runs, as the kernel has it; or as whom it would. */
function engineReport(config: Config): string {
  const pid = engineLockHolder(dataLayout(config.dataDirectory).engine);
  if (pid === undefined) {
    if (process.getuid?.() !== 0) return 'not running; it runs as the user who starts it.';
    try {
      const user = engineRunsAs();
      return `not running; it runs as user ${user?.name ?? ''} (${user?.uid ?? ''}), without capabilities.`;
    } catch (error) {
      if (error instanceof PalisadeError) return `not running, and can't: ${error.message}`;
      throw error;
    }
  }
  const { uid, capabilities, noNewPrivileges } = privilegesOf(pid);
  const powers = `${capabilities ? 'WITH' : 'without'} capabilities, ${noNewPrivileges ? 'and can gain none' : 'BUT COULD GAIN SOME'}`;
  const landlock = findEngineAddress(config.dataDirectory)?.landlock === true ? 'confined' : 'NOT CONFINED';
  return `running as uid ${uid} (pid ${pid}), ${powers}; ${landlock} to its data by Landlock.`;
}
