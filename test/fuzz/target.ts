import type { Random } from './random.ts';

/** What is attacked: code that takes bytes from outside. */
export interface FuzzTarget extends AsyncDisposable {
  /** Inputs to begin with: real ones. */
  readonly seeds: readonly Uint8Array[];
  /** Another input made of `input`; `other` is one to take parts of. */
  mutate(random: Random, input: Uint8Array, other: Uint8Array): Uint8Array;
  /** Runs one input. Throws where anything but what is promised happens: that is a crash. */
  run(input: Uint8Array): void | Promise<void>;
}

/** How a target is opened, and what is known of it before. */
export interface FuzzTargetKind {
  readonly name: string;
  /** Whether it runs in this process, so that the coverage of its code tells which inputs are new. */
  readonly isGuided: boolean;
  /** CPU time of this thread that one input may take: a denial of service is a crash too. */
  readonly cpuMsMax: number;
  open(): Promise<FuzzTarget>;
}

/** A promise about the target that an input has broken. */
export class BrokenPromise extends Error {}

/** Throws BrokenPromise where `holds` is false. */
export function expect(holds: boolean, promise: string): asserts holds {
  if (!holds) throw new BrokenPromise(promise);
}
