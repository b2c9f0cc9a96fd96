import path from 'node:path';
import { packageRoot } from '../../cli/package-root.ts';
import { buildWatched } from './build.ts';
import { runWatched } from './watched-run.ts';

/** Throws where the sanitizers do not find what was planted for them in planted.cc: then they would not find ours either. */
export async function findPlanted(): Promise<void> {
  const addon = await buildWatched('planted', [path.join(packageRoot(), 'test/asan/planted.cc')]);
  const run = (call: string) =>
    runWatched(['--input-type=commonjs', '--eval', `const planted = require(${JSON.stringify(addon)}); ${call}`]);
  const nothing = await run('');
  if (nothing.code !== 0 || nothing.errors.length + nothing.leaks.length > 0) {
    throw new Error(`where nothing is planted something is found: ${[...nothing.errors, ...nothing.leaks].join('\n')}`);
  }
  const leak = await run('for (let turn = 0; turn < 10; turn++) planted.leak()');
  if (leak.leaks.length === 0) throw new Error('a planted leak is not found');
  const behind = await run('planted.readBehind(16)');
  if (!behind.errors.some((error) => error.includes('heap-buffer-overflow'))) {
    throw new Error('a planted read behind the end is not found');
  }
  const overflow = await run('planted.overflow(2 ** 31 - 1)');
  if (!overflow.errors.some((error) => error.includes('signed integer overflow'))) {
    throw new Error('a planted overflow is not found');
  }
}
