import type { ExecutionContext, TestFn } from 'ava';
import { openCapture, type KernelCapture } from './kernel-capture.ts';
import type { KernelString } from './kernel-event.ts';
import { testProgram } from './programs.ts';
import { saidAddress, type SaidAddress } from './socket-address.ts';
import { plainEvent, wholeOf, type WholeEvent } from './whole-event.ts';

/** What of an event is not as an event without file and address has it. */
export type NetworkEvent = Partial<Omit<WholeEvent, 'strings'>> & {
  readonly strings?: Partial<Record<KernelString, string>>;
};

/** A step of test/programs/network.c with the result that it must have, and the event that tells of it. */
export interface NetworkStep {
  readonly step: string;
  /** What it must print; left out where it prints an address. */
  readonly result?: number;
  /** Left out: it makes no event. */
  readonly event?: NetworkEvent | ((said: Said) => NetworkEvent);
}

/** What the program printed of the first step with this text, which asked the kernel for an address. */
export type Said = (step: string) => SaidAddress;

const program = 'network';

/** Runs the steps of a story, see `networkStories`. */
export type NetworkStory = (
  t: ExecutionContext,
  steps: readonly NetworkStep[],
  options?: { readonly cwd?: string; readonly uid?: number },
) => Promise<KernelCapture>;

/** Stories that share one capture, since opening one takes longer than all that they do. It ends after the file's tests. */
export function networkStories(test: TestFn): NetworkStory {
  const endings: (() => unknown)[] = [];
  let capture: KernelCapture | undefined;
  test.after.always('the capture ends', async () => {
    for (const end of endings.reverse()) await end();
  });
  return async (t, steps, options = {}) => {
    capture ??= openCapture({ title: t.title, teardown: (end) => endings.push(end) });
    await tell(t, capture, steps, options);
    return capture;
  };
}

/** Runs the steps in one process, and asserts every field of every event between its exec and its exit. */
async function tell(
  t: ExecutionContext,
  capture: KernelCapture,
  steps: readonly NetworkStep[],
  options: { readonly cwd?: string; readonly uid?: number },
): Promise<void> {
  const cwd = options.cwd ?? '/';
  const run = await capture.run(
    testProgram(program),
    steps.map(({ step }) => step),
    { ...options, cwd },
  );
  t.is(run.status, 0, run.stdout);
  const printing = steps.filter(({ step }) => step !== 'compat');
  const lines = run.stdout.split('\n');
  const said: Said = (asked) => saidAddress(lines[printing.findIndex(({ step }) => step === asked)] ?? '');
  printing.forEach(({ step, result }, index) => {
    if (result !== undefined) t.is(lines[index], String(result), step);
  });

  const uid = BigInt(options.uid ?? 0);
  const plain = {
    ...plainEvent(capture, { ...run, stdout: '0' }, testProgram(program), cwd),
    ...{ uid, euid: uid, fsuid: uid },
  };
  const expected = printing.flatMap(({ event }, index) => {
    if (event === undefined) return [];
    const { strings, ...fields } = typeof event === 'function' ? event(said) : event;
    const returnValue = BigInt(lines[index] ?? '');
    return [{ ...plain, returnValue, ...fields, strings: { ...plain.strings, ...strings } }];
  });
  const told = run.events.map(wholeOf);
  t.deepEqual([told.at(0)?.operation, told.at(-1)?.operation], ['exec', 'exit']);
  const between = told.slice(1, -1);
  expected.forEach((event, index) => {
    t.deepEqual(between[index], event, `event ${index + 1}`);
  });
  t.is(between.length, expected.length, 'and nothing else came');
}
