import { existsSync, readFileSync } from 'node:fs';
import { chmod, mkdir, readdir, rename, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import process from 'node:process';
import { PalisadeError } from '../runtime/errors.ts';
import { printable } from '../runtime/printable.ts';
import { ConfigError } from './config.ts';
import { palisadeVersion } from './palisade-version.ts';

/** What lies where in a data directory; `palisade uninstall` removes these and nothing else. */
export interface DataLayout {
  readonly root: string;
  /** Which version made what lies here. */
  readonly version: string;
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
    version: path.join(root, 'version.json'),
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
 * way of ours, and `DATA_TOO_NEW`, before anything is changed, where a newer version of Palisade has written there.
 */
export async function makeDataDirectory(layout: DataLayout): Promise<void> {
  const { root } = layout;
  const written = readDataVersion(layout);
  const isNew = (await mkdir(root, { recursive: true })) !== undefined;
  const { uid, mode } = await stat(root);
  if (uid !== process.getuid?.()) throw refused(root, 'belongs to another user');
  // One that was made here has the umask's mode, until the next line.
  if (!isNew && (mode & writableByOthers) !== 0) throw refused(root, 'is writable by others');
  if (isNew || existsSync(layout.log) || (await readdir(root)).length === 0) await chmod(root, 0o711);
  for (const folder of [layout.log, layout.collector]) await mkdir(folder, { recursive: true, mode: 0o700 });
  const now = { layout: dataLayoutVersion, palisade: palisadeVersion() };
  if (written?.layout === now.layout && written.palisade === now.palisade) return;
  // Whole or not at all.
  const temporary = `${layout.version}.${process.pid}`;
  await writeFile(temporary, `${JSON.stringify(now)}\n`, { mode: 0o600 });
  await rename(temporary, layout.version);
}

/**
 * Of the data directory as a whole, with the engine's folder, which says nothing of itself: raised by a release that leaves
 * something there which earlier ones would misread. The log and ClickHouse's tables have numbers of their own beside it.
 */
const dataLayoutVersion = 1;

interface DataVersion {
  readonly layout: number;
  /** The release that last used it. */
  readonly palisade: string;
}

/** What was written about the version; `undefined` where nothing was, as by releases before 0.1.0. Throws `DATA_TOO_NEW`. */
function readDataVersion({ root, version }: DataLayout): DataVersion | undefined {
  let written: unknown;
  try {
    written = JSON.parse(readFileSync(version, 'utf8'));
  } catch (error) {
    // Not there, or left empty by a machine that stopped.
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  if (!isDataVersion(written)) return undefined;
  if (written.layout <= dataLayoutVersion) return written;
  throw new PalisadeError(
    'DATA_TOO_NEW',
    `the data directory ${root} was written by Palisade ${printable(written.palisade)}, with layout ${written.layout}; this is ` +
      `Palisade ${palisadeVersion()}, which knows layouts up to ${dataLayoutVersion}: use the newer version, or give another ` +
      '--data-directory. Nothing was changed',
  );
}

function isDataVersion(value: unknown): value is DataVersion {
  if (typeof value !== 'object' || value === null) return false;
  return (
    'layout' in value && Number.isSafeInteger(value.layout) && 'palisade' in value && typeof value.palisade === 'string'
  );
}

/** Group or others. */
const writableByOthers = 0o022;

function refused(root: string, problem: string): ConfigError {
  return new ConfigError('dataDirectory', root, `${problem}: give a folder that nobody else can write to`);
}
