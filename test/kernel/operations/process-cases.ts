import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { testProgram } from '../../support/programs.ts';
import type { OperationCase } from './operation-case.ts';

/** exec. The last exec of the process is the act. */
export const processCases: readonly OperationCase[] = [
  {
    operation: 'exec',
    when: 'a program runs',
    names: 'the program’s file',
    sources: { path: 'object' },
    acts: {
      execve: ({ run }) => {
        const program = testProgram('exit');
        return { ...run('exec', ['execve', program, '0']), expected: { path: program } };
      },
      execveat: ({ run }) => {
        const program = testProgram('exit');
        return { ...run('exec', ['execveat', program, '0']), expected: { path: program } };
      },
    },
  },
  {
    operation: 'exec',
    when: 'a script runs',
    names: 'the script’s file, and that of its last interpreter',
    sources: { path: 'object', interpreter: 'object' },
    acts: {
      execve: ({ run, directory }) => {
        const script = join(directory, 'script');
        const interpreter = testProgram('exit');
        writeFileSync(script, `#!${interpreter} 0\n`, { mode: 0o755 });
        return { ...run('exec', ['execve', script]), expected: { path: script, interpreter } };
      },
    },
  },
  {
    operation: 'exec',
    when: 'it fails',
    names: 'the directory and what was typed',
    sources: { path: 'baseAndText' },
    acts: {
      execve: ({ run, directory }) => ({
        ...run('exec', ['execve', './missing'], { cwd: directory }),
        expected: { path: join(directory, 'missing') },
      }),
      execveat: ({ run, directory }) => ({
        ...run('exec', ['execveat', join(directory, 'missing')]),
        expected: { path: join(directory, 'missing') },
      }),
    },
  },
];
