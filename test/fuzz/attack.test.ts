import test, { type ExecutionContext } from 'ava';
import { attack } from './attack.ts';

const module = new URL('broken-targets.js', import.meta.url).href;

async function finds(t: ExecutionContext, target: string, reason: RegExp): Promise<void> {
  const options = { module, target, seed: 1, seconds: 60, endlessCpuMs: 1500, memoryBytesMax: 600 << 20 };
  const result = await attack(options);
  if (result.kind !== 'crash') return t.fail('nothing was found');
  t.regex(result.reason, reason);
  t.is(Buffer.from(result.input).toString()[0], '!');
  const again = await attack({ ...options, input: result.input });
  t.is(again.kind, 'crash', 'the input alone does it again');
  t.is((await attack({ ...options, input: Buffer.from('good') })).kind, 'done', 'another does not');
}

for (const [target, reason] of [
  ['throws', /BrokenPromise: it throws|Error: it throws/u],
  ['throws-later', /it throws later/u],
  ['is-slow', /ms of CPU/u],
  ['never-ends', /does not end/u],
  ['fills-buffers', /bytes of memory/u],
  ['fills-the-heap', /bytes of memory|ended with/u],
  ['ends-the-process', /ended with SIGSEGV/u],
] as const) {
  test.serial(`an input that breaks its target is found, and breaks it again: ${target}`, finds, target, reason);
}
