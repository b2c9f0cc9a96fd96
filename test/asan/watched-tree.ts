import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { packageRoot } from '../../cli/package-root.ts';

/** The built project with another addon in its place: it finds its addon by where it is itself. Removed at the end. */
export class WatchedTree implements Disposable {
  readonly folder = mkdtempSync(path.join(tmpdir(), 'palisade-asan-'));

  constructor(addon: string) {
    const root = packageRoot();
    mkdirSync(path.join(this.folder, 'native/build'), { recursive: true });
    cpSync(path.join(root, 'dist'), path.join(this.folder, 'dist'), {
      recursive: true,
      filter: (source) => source !== path.dirname(addon),
    });
    cpSync(path.join(root, 'package.json'), path.join(this.folder, 'package.json'));
    symlinkSync(path.join(root, 'node_modules'), path.join(this.folder, 'node_modules'));
    // By a link, so that its name in reports is its own.
    symlinkSync(addon, path.join(this.folder, 'native/build/palisade.node'));
  }

  /** A file of the build. */
  program(file: string): string {
    return path.join(this.folder, 'dist', file);
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
