import type { Config } from './config.ts';
import { missingForContainer } from './demo/container.ts';
import { exitCodes, type ExitCode } from './exit-codes.ts';
import { cgroupLayout, checkHost } from './host-checks.ts';
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
  const live = host.every((check) => check.holds);
  if (options.json) {
    const report = {
      live,
      cgroupLayout: cgroupLayout(),
      host,
      demo: { possible: missing.length === 0, missing },
      made,
    };
    options.write(`${JSON.stringify(report)}\n`);
  } else {
    const lines = host.map((check) => `  ${check.holds ? 'yes' : 'NO '}  ${check.name.padEnd(16)} ${check.detail}`);
    options.write(
      `Watching this machine's kernel:\n${lines.join('\n')}\n       ${'cgroups'.padEnd(16)} ${cgroupLayout()}\n`,
    );
    options.write(
      live ? '  `palisade up` watches the kernel.\n' : '  `palisade up` runs on the bundled recording instead.\n',
    );
    const demo = missing.length === 0 ? 'possible' : missing.join(' ');
    options.write(`\nA container for \`palisade demo\`: ${demo}\n`);
    options.write('\nMade by Palisade in this system (`palisade uninstall` removes it):\n');
    for (const { name, exists, detail } of made)
      options.write(`  ${exists ? 'there ' : 'absent'}  ${name}  (${detail})\n`);
  }
  return live ? exitCodes.done : exitCodes.unavailable;
}
