import { existsSync } from 'node:fs';
import { chmod, mkdir, readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import process from 'node:process';
import { ConfigError } from './config.ts';

/** What lies where in a data directory; `palisade uninstall` removes these and nothing else. */
export interface DataLayout {
  readonly root: string;
  readonly nodeId: string;
  /** The embedded event log; readable by its owner alone, since it holds what every process of this machine did. */
  readonly log: string;
  /** The ClickHouse engine's data, which belongs to its user. */
  readonly engine: string;
  /** Where a running engine is, with the token for queries; readable by the owner alone. */
  readonly engineAddress: string;
  /** The collector's list of known containers. */
  readonly collector: string;
  /** The databases of replays, an engine's data directory each. */
  readonly replays: string;
  /** What `palisade record` works in while it runs. */
  readonly recording: string;
}

/** The paths of a data directory. */
export function dataLayout(root: string): DataLayout {
  return {
    root,
    nodeId: path.join(root, 'node-id'),
    log: path.join(root, 'log'),
    engine: path.join(root, 'clickhouse'),
    engineAddress: path.join(root, 'clickhouse-address.json'),
    collector: path.join(root, 'collector'),
    replays: path.join(root, 'replays'),
    recording: path.join(root, 'recording'),
  };
}

/**
 * Makes the data directory. One of our own may be passed through, but not listed, by the unprivileged user of the engine; a
 * folder that was there for something else keeps its mode. Throws ConfigError where others could put files of theirs in the
 * way of ours.
 */
export async function makeDataDirectory(layout: DataLayout): Promise<void> {
  const { root } = layout;
  const isNew = (await mkdir(root, { recursive: true })) !== undefined;
  const { uid, mode } = await stat(root);
  if (uid !== process.getuid?.()) throw refused(root, 'belongs to another user');
  // One that was made here has the umask's mode, until the next line.
  if (!isNew && (mode & writableByOthers) !== 0) throw refused(root, 'is writable by others');
  if (isNew || existsSync(layout.log) || (await readdir(root)).length === 0) await chmod(root, 0o711);
  for (const folder of [layout.log, layout.collector]) await mkdir(folder, { recursive: true, mode: 0o700 });
}

/** Group or others. */
const writableByOthers = 0o022;

function refused(root: string, problem: string): ConfigError {
  return new ConfigError('dataDirectory', root, `${problem}: give a folder that nobody else can write to`);
}
