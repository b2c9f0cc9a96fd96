import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, import.meta.dirname.includes('/dist/') ? '../../..' : '../..');

/**
 * A program of test/programs, compiled where it is older than its source. Static: it opens no library, so every event of the process
 * is one that its source shows.
 */
export function testProgram(name: string): string {
  const source = join(root, 'test/programs', `${name}.c`);
  const directory = join(root, 'dist/test/programs');
  const program = join(directory, name);
  if (!existsSync(program) || statSync(program).mtimeMs < statSync(source).mtimeMs) {
    mkdirSync(directory, { recursive: true });
    const made = `${program}.${process.pid}`;
    execFileSync('gcc', ['-static', '-no-pie', '-O1', '-Wall', '-Wextra', '-Werror', '-pthread', '-o', made, source]);
    renameSync(made, program);
  }
  return program;
}
