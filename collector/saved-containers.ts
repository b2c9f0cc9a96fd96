import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FoundContainer } from './container-scan.ts';
import { member, readJsonFile, stringMember } from './json-file.ts';

const fileName = 'collector-containers.json';

/**
 * The collector's own list of containers: for those that run on while no monitor does, and that neither their cgroup's layout
 * nor a state file would tell of. Only entries of this boot count, and only where that very cgroup is still there.
 */
export class SavedContainers {
  readonly #directory: string;
  readonly #bootId: string;
  #written = '';

  constructor(directory: string, bootId: string) {
    this.#directory = directory;
    this.#bootId = bootId;
  }

  read(): readonly FoundContainer[] {
    const saved = readJsonFile(join(this.#directory, fileName));
    const containers = member(saved, 'containers');
    if (stringMember(saved, 'bootId') !== this.#bootId || !Array.isArray(containers)) return [];
    return containers.flatMap((container: unknown) => {
      const cgroupId = stringMember(container, 'cgroupId');
      const path = stringMember(container, 'path');
      return cgroupId !== undefined && /^\d+$/.test(cgroupId) && path !== undefined
        ? [{ cgroupId: BigInt(cgroupId), path }]
        : [];
    });
  }

  /** Writes the list where it has changed. */
  write(containers: readonly FoundContainer[]): void {
    const list = containers.map(({ cgroupId, path }) => ({ cgroupId: cgroupId.toString(), path }));
    const text = `${JSON.stringify({ bootId: this.#bootId, containers: list }, undefined, 1)}\n`;
    if (text === this.#written) return;
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
    const file = join(this.#directory, fileName);
    // Whole or not at all.
    writeFileSync(`${file}.new`, text, { mode: 0o600 });
    renameSync(`${file}.new`, file);
    this.#written = text;
  }
}
