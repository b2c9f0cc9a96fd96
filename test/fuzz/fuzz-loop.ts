import process from 'node:process';
import { Coverage } from './coverage.ts';
import { inputBytesMax } from './mutate-bytes.ts';
import { Random } from './random.ts';
import { BrokenPromise, type FuzzTarget, type FuzzTargetKind } from './target.ts';

/** Inputs between two looks at the coverage. */
const roundInputs = 64;
/** Inputs that are kept to make others of; beyond, one makes room. */
const corpusMax = 4096;
/** Nothing is made of an input that takes longer: what came of it would take as long, and little else would be tried. */
const keptCpuMsMax = 50;
/** An input is slow where it is slow each time: what a busy machine or a collection of garbage costs comes once. */
const slowTries = 3;

export interface FuzzLoopOptions {
  readonly kind: FuzzTargetKind;
  readonly target: FuzzTarget;
  readonly seed: number;
  readonly seconds: number;
  /** Called before each input is run: whoever watches from outside knows then what this process died of. */
  readonly onInput: (input: Uint8Array) => void;
}

export interface FuzzLoopResult {
  readonly inputs: number;
  readonly corpus: number;
  /** Blocks of code that ran; 0 where nothing guided. */
  readonly blocks: number;
}

/** An input that broke the target. */
export class Crash extends Error {
  readonly input: Uint8Array;

  constructor(input: Uint8Array, cause: unknown) {
    super(cause instanceof Error ? (cause.stack ?? cause.message) : String(cause), { cause });
    this.input = input;
  }
}

/**
 * Runs the seeds, then for `seconds` what is made of them. Where the target is guided, an input that ran code which none before
 * it had run is kept, and others are made of it. Throws Crash with the first input that breaks the target.
 */
export async function fuzz(options: FuzzLoopOptions): Promise<FuzzLoopResult> {
  const { target, kind } = options;
  const random = new Random(options.seed);
  using coverage = kind.isGuided ? new Coverage() : undefined;
  const corpus: Uint8Array[] = target.seeds.map((seed) => seed.slice(0, inputBytesMax));
  let inputs = 0;
  const run = async (input: Uint8Array): Promise<number> => {
    options.onInput(input);
    inputs += 1;
    return runOnce(kind, target, input);
  };
  for (const seed of corpus) await run(seed);
  coverage?.news(true);

  const endMs = performance.now() + options.seconds * 1000;
  while (performance.now() < endMs) {
    const round: Uint8Array[] = [];
    for (let place = 0; place < roundInputs && performance.now() < endMs; place++) {
      const input = target.mutate(random, random.of(corpus), random.of(corpus));
      round.push(input);
      await run(input);
    }
    if (coverage === undefined || coverage.news(false) === 0) continue;
    // Which of them it was: each again, alone.
    for (const input of round) {
      const cpuMs = await run(input);
      if (coverage.news(true) === 0 || cpuMs > keptCpuMsMax) continue;
      if (corpus.length < corpusMax) corpus.push(input);
      else corpus[random.below(corpusMax)] = input;
    }
  }
  return { inputs, corpus: corpus.length, blocks: coverage?.size ?? 0 };
}

/** Runs one input; tells how much CPU time of this thread it took, in ms. Throws Crash. */
export async function runOnce(kind: FuzzTargetKind, target: FuzzTarget, input: Uint8Array): Promise<number> {
  let leastMs = Infinity;
  for (let attempt = 0; attempt < slowTries; attempt++) {
    const before = process.threadCpuUsage();
    try {
      await target.run(input);
    } catch (error) {
      throw new Crash(input, error);
    }
    const { user, system } = process.threadCpuUsage(before);
    leastMs = Math.min(leastMs, (user + system) / 1000);
    if (leastMs <= kind.cpuMsMax) return leastMs;
  }
  throw new Crash(input, new BrokenPromise(`an input of ${input.length} bytes took ${leastMs.toFixed(0)} ms of CPU`));
}
