import { seededRandom } from '../support/seeded-random.ts';

/** Choices that a seed determines. */
export class Random {
  readonly #next: () => number;

  constructor(seed: number) {
    this.#next = seededRandom(seed);
  }

  /** An integer from 0 to `count - 1`; 0 where there is none. */
  below(count: number): number {
    return Math.floor(this.#next() * count);
  }

  /** True once in `times`. */
  oneIn(times: number): boolean {
    return this.below(times) === 0;
  }

  /** One of `values`, which must not be empty. */
  of<Value>(values: readonly Value[]): Value {
    const value = values[this.below(values.length)];
    if (value === undefined) throw new RangeError('nothing to choose from');
    return value;
  }

  /** Small numbers more often than large ones, from 1 to about `most`. */
  length(most: number): number {
    return 1 + this.below(2 ** this.below(Math.log2(most) + 1));
  }
}
