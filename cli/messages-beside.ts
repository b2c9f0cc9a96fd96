import { fstatSync, statSync } from 'node:fs';
import process from 'node:process';

/**
 * Where messages go while `file` is written: to standard error where it is standard output itself, by whatever name, as in
 * `record -o /dev/stdout | zstd`; else to standard output.
 */
export function messagesBeside(file: string): NodeJS.WriteStream {
  return isStandardOutput(file) ? process.stderr : process.stdout;
}

function isStandardOutput(file: string): boolean {
  try {
    const named = statSync(file, { bigint: true });
    const output = fstatSync(1, { bigint: true });
    return named.dev === output.dev && named.ino === output.ino;
  } catch {
    // What can't be looked at is told by whoever opens it.
    return false;
  }
}
