import { spawnSync } from 'node:child_process';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmdirSync,
  rmSync,
  statfsSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { ExecutionContext } from 'ava';

/** A file system of a test's own that can be full. Everything in it is gone at the end. */
export interface SmallDisk {
  readonly path: string;
  /** Takes all room but about `bytes`. */
  fill(bytes: number): void;
  /** Gives back what `fill` took. */
  makeRoom(): void;
  freeBytes(): number;
  /** As `fill` and `makeRoom`, for the number of files: the same error, in the midst of what a program writes. */
  fillFiles(left: number): void;
  makeRoomForFiles(): void;
}

/** Why there can be none on this machine; `undefined` where there can. Mounts one to find out. */
export function whyNoSmallDisk(): string | undefined {
  const directory = mkdtempSync(path.join(tmpdir(), 'palisade-disk-'));
  try {
    const problem = mount(directory, 1 << 20, 100);
    if (problem === undefined) unmount(directory);
    return problem;
  } finally {
    rmdirSync(directory);
  }
}

/** Mounts a tmpfs of `bytes`, with room for so many files; it goes when the test ends. */
export function smallDisk(t: ExecutionContext, bytes: number, files = 10_000): SmallDisk {
  const directory = mkdtempSync(path.join(tmpdir(), 'palisade-disk-'));
  const disk = smallDiskAt(directory, bytes, files);
  t.teardown(() => {
    disk[Symbol.dispose]();
    rmdirSync(directory);
  });
  return disk;
}

/** Mounts it on a directory that is there, until it is disposed of. */
export function smallDiskAt(directory: string, bytes: number, files = 10_000): SmallDisk & Disposable {
  const problem = mount(directory, bytes, files);
  if (problem !== undefined) throw new Error(problem);
  const ballast = path.join(directory, 'ballast');
  const manyFiles = path.join(directory, 'many-files');
  const freeBytes = (): number => {
    const { bavail, bsize } = statfsSync(directory);
    return bavail * bsize;
  };
  return {
    path: directory,
    fill: (left) => {
      const descriptor = openSync(ballast, 'a');
      try {
        for (let more = freeBytes() - left; more > 0; more = freeBytes() - left) {
          writeSync(descriptor, Buffer.alloc(Math.min(more, 1 << 20)));
        }
      } catch (error) {
        // Somebody else took the rest.
        if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error;
      } finally {
        closeSync(descriptor);
      }
    },
    makeRoom: () => {
      rmSync(ballast);
    },
    freeBytes,
    fillFiles: (left) => {
      mkdirSync(manyFiles);
      const { ffree } = statfsSync(directory);
      for (let count = left; count < ffree; count++) writeFileSync(path.join(manyFiles, String(count)), '');
    },
    makeRoomForFiles: () => {
      rmSync(manyFiles, { recursive: true });
    },
    [Symbol.dispose]: () => {
      unmount(directory);
    },
  };
}

function mount(directory: string, bytes: number, files: number): string | undefined {
  const options = ['-t', 'tmpfs', '-o', `size=${bytes},nr_inodes=${files},mode=0755`, 'palisade-test', directory];
  const { status, stderr, error } = spawnSync('mount', options, { encoding: 'utf8' });
  if (status === 0) return undefined;
  return `no file system can be mounted here: ${error?.message ?? stderr.trim()}`;
}

/** Lazily, since a process that was just killed may still be letting go of its files. */
function unmount(directory: string): void {
  const { status, stderr } = spawnSync('umount', ['--lazy', directory], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`umount ${directory}: ${stderr}`);
}
