import { mutateBytes } from './mutate-bytes.ts';
import { expect, type FuzzTarget, type FuzzTargetKind } from './target.ts';

/** A target that breaks at inputs that begin with `!`. */
function broken(name: string, broke: () => void | Promise<void>): FuzzTargetKind {
  const target: FuzzTarget = {
    seeds: [Buffer.from('good')],
    mutate: (random, input, other) => (random.oneIn(8) ? Buffer.from('!bad') : mutateBytes(random, input, other)),
    run: (input) => (input[0] === 0x21 ? broke() : undefined),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  return { name, isGuided: false, cpuMsMax: 100, open: () => Promise.resolve(target) };
}

const held: unknown[] = [];

/** What an input can do to a process, to test those who watch it. */
export const fuzzTargets: readonly FuzzTargetKind[] = [
  broken('throws', () => {
    expect(false, 'it throws');
  }),
  broken('throws-later', async () => {
    await Promise.resolve();
    expect(false, 'it throws later');
  }),
  broken('is-slow', () => {
    const end = process.threadCpuUsage().user + 150_000;
    while (process.threadCpuUsage().user < end);
  }),
  broken('never-ends', () => {
    for (;;);
  }),
  broken('fills-buffers', () => {
    for (;;) held.push(new Uint8Array(1 << 20).fill(1));
  }),
  broken('fills-the-heap', () => {
    for (;;) held.push({ more: [...held.slice(-1000)] });
  }),
  broken('ends-the-process', () => {
    process.kill(process.pid, 'SIGSEGV');
  }),
];
