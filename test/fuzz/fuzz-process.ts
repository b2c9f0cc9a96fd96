/**
 * A target in a process of its own, since an input may take the process with it. Arguments: a module that exports `fuzzTargets`,
 * the target's name, seed, seconds, and a file that holds the input at hand at any moment. Its last line is a FuzzReport.
 */
import { openSync, writeSync } from 'node:fs';
import process from 'node:process';
import { Crash, fuzz, runOnce, type FuzzLoopResult } from './fuzz-loop.ts';
import { inputFileBytes } from './input-file.ts';
import type { FuzzTargetKind } from './target.ts';

/** What became of it. */
export type FuzzReport =
  | { readonly kind: 'done'; readonly result: FuzzLoopResult }
  | { readonly kind: 'crash'; readonly input: string; readonly reason: string };

const [, , module = '', name = '', seed = '', seconds = '', stateFile = '', alone] = process.argv;

async function run(): Promise<FuzzReport> {
  const { fuzzTargets } = (await import(module)) as { readonly fuzzTargets: readonly FuzzTargetKind[] };
  const kind = fuzzTargets.find((known) => known.name === name);
  if (kind === undefined) throw new Error(`${module} has no target ${name}`);
  const state = openSync(stateFile, 'w');
  let inputs = 0;
  const onInput = (input: Uint8Array): void => {
    inputs += 1;
    const bytes = inputFileBytes(inputs, input);
    writeSync(state, bytes, 0, bytes.length, 0);
  };
  await using target = await kind.open();
  try {
    if (alone !== undefined) {
      const input = Buffer.from(alone, 'base64');
      onInput(input);
      await runOnce(kind, target, input);
      return { kind: 'done', result: { inputs, corpus: 0, blocks: 0 } };
    }
    return {
      kind: 'done',
      result: await fuzz({ kind, target, seed: Number(seed), seconds: Number(seconds), onInput }),
    };
  } catch (error) {
    if (!(error instanceof Crash)) throw error;
    return { kind: 'crash', input: Buffer.from(error.input).toString('base64'), reason: error.message };
  }
}

process.stdout.write(`${JSON.stringify(await run())}\n`);
