import { existsSync, readFileSync } from 'node:fs';
import type { Config } from './config.ts';
import { dataLayout } from './data-directory.ts';
import { findPins } from './pins.ts';

/** The system user that the ClickHouse engine runs as where Palisade is root. cli/setup.mjs makes it. */
export const engineUser = 'palisade';

/** Something that Palisade made outside its own folder; `doctor` lists it and `uninstall` removes it. */
export interface MadeThing {
  readonly kind: 'pins' | 'data' | 'user';
  /** A path, or the user's name. */
  readonly name: string;
  readonly exists: boolean;
  readonly detail: string;
}

/** Where `palisade record` pins what it needs: a folder of its own, gone when it ends. */
export function recordingPins(config: Pick<Config, 'pinDirectory'>): string {
  return `${config.pinDirectory}-recording`;
}

/** Everything that Palisade makes in the system, whether it is there or not. */
export function madeInSystem(config: Config): readonly MadeThing[] {
  const layout = dataLayout(config.dataDirectory);
  const data = [
    layout.log,
    layout.engine,
    layout.engineAddress,
    layout.collector,
    layout.replays,
    layout.recording,
    layout.nodeId,
  ].filter((file) => existsSync(file));
  const pinFolders = [config.pinDirectory, recordingPins(config)].filter((folder) => findPins(folder).length > 0);
  const pins = pinFolders.flatMap(findPins);
  return [
    {
      kind: 'pins',
      name: config.pinDirectory,
      exists: pins.length > 0,
      detail: `${pins.length} pinned BPF objects, which keep what a stopped monitor had not handed over`,
    },
    {
      kind: 'data',
      name: config.dataDirectory,
      exists: data.length > 0,
      detail: 'event log, ClickHouse data, databases of replays, node id',
    },
    { kind: 'user', name: engineUser, exists: hasUser(engineUser), detail: 'system user of the ClickHouse engine' },
  ];
}

function hasUser(name: string): boolean {
  return new RegExp(`^${name}:`, 'mu').test(readFileSync('/etc/passwd', 'utf8'));
}
