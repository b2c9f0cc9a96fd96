import { existsSync } from 'node:fs';
import path from 'node:path';

/** The folder that holds package.json: data files are found from there, whether this runs from dist/ or from source. */
export function packageRoot(): string {
  let folder = import.meta.dirname;
  while (!existsSync(path.join(folder, 'package.json'))) {
    const parent = path.dirname(folder);
    if (parent === folder)
      throw new Error(`No package.json above ${import.meta.dirname}: the installation is incomplete.`);
    folder = parent;
  }
  return folder;
}
