import { chmod, mkdir } from 'node:fs/promises';
import path from 'node:path';

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
  };
}

/** Makes the data directory. It may be passed through, but not listed, by the unprivileged user of the engine. */
export async function makeDataDirectory(layout: DataLayout): Promise<void> {
  await mkdir(layout.root, { recursive: true });
  await chmod(layout.root, 0o711);
  for (const folder of [layout.log, layout.collector]) await mkdir(folder, { recursive: true, mode: 0o700 });
}
