import type { Glob, GlobElement } from './glob.ts';

/** What a place of a program does. */
export const operations = {
  /** Takes one byte of its set and goes on. */
  byte: 0,
  /** Takes any number of bytes of its set, also none, and goes on. */
  loop: 1,
  /** Goes on with the loop behind it, or leaves that and the byte behind it out. */
  optional: 2,
  /** What was taken is a path that the glob matches. */
  acceptPath: 3,
  /** What was taken is a directory with a final `/`. */
  acceptDirectory: 4,
  /** Whatever follows, the glob matches. */
  acceptAll: 5,
} as const;

/**
 * Globs together as one nondeterministic automaton in flat arrays. Its places are a tree, in which globs that begin alike
 * share their beginning; a set of places stands for all that the bytes so far may have been. Of one glob alone the places
 * are numbered in the order of its elements, three for a `directories` (optional, loop, byte), and one at the end.
 */
export interface GlobProgram {
  readonly operations: Uint8Array;
  /** Place → its set of bytes, for an optional the byte that ends it, for an accepting place the value of its glob. */
  readonly operands: Uint32Array;
  /** Place → first of the places that it goes on to, in `next`; one more at the end. */
  readonly nextStarts: Uint32Array;
  readonly next: Uint32Array;
  /** Sets of bytes, each as 256 flags. */
  readonly sets: readonly Uint8Array[];
  /** Where globs begin. */
  readonly starts: Uint32Array;
}

/** A glob and what is reported where it matches. */
export interface ValuedGlob {
  readonly glob: Glob;
  /** Any number below 2^32. */
  readonly value: number;
}

const slash = 0x2f;

/** Lays globs out as a program. Linear in their elements. */
export function programOf(globs: readonly ValuedGlob[]): GlobProgram {
  const layout = new Layout();
  for (const { glob, value } of globs) layout.add(glob, value);
  return layout.finish();
}

/** Places by what they do: one for each thing that may come next. */
type Branch = Map<string, number>;

class Layout {
  readonly #operations: number[] = [];
  readonly #operands: number[] = [];
  /** Place → where it goes on. */
  readonly #branches: Branch[] = [];
  readonly #roots: Branch = new Map();
  readonly #sets: Uint8Array[] = [];
  readonly #setNumbers = new Map<string, number>();

  add(glob: Glob, value: number): void {
    let branch = this.#roots;
    for (const [place, element] of glob.entries()) {
      // A final `**` needs no loop: it is met as soon as it is reached, since a path has no final `/`.
      if (element.kind === 'anything' && place === glob.length - 1) {
        this.#place(branch, operations.acceptAll, value);
        return;
      }
      branch = this.#addElement(branch, element);
    }
    const last = glob.at(-1);
    const isDirectory = last?.kind === 'byte' && last.bytes[0] === slash;
    this.#place(branch, isDirectory ? operations.acceptDirectory : operations.acceptPath, value);
  }

  finish(): GlobProgram {
    const nextStarts = [0];
    const next: number[] = [];
    for (const branch of this.#branches) {
      next.push(...branch.values());
      nextStarts.push(next.length);
    }
    return {
      operations: Uint8Array.from(this.#operations),
      operands: Uint32Array.from(this.#operands),
      nextStarts: Uint32Array.from(nextStarts),
      next: Uint32Array.from(next),
      sets: this.#sets,
      starts: Uint32Array.from(this.#roots.values()),
    };
  }

  #addElement(branch: Branch, element: GlobElement): Branch {
    const { byte, loop, optional } = operations;
    switch (element.kind) {
      case 'byte':
        return this.#place(
          branch,
          byte,
          this.#setOf(element.bytes.join(), (one) => element.bytes.includes(one)),
        );
      case 'any':
        return this.#place(
          branch,
          byte,
          this.#setOf('not /', (one) => one !== slash),
        );
      case 'star':
        return this.#place(
          branch,
          loop,
          this.#setOf('not /', (one) => one !== slash),
        );
      case 'anything':
        return this.#place(
          branch,
          loop,
          this.#setOf('all', () => true),
        );
      case 'directories': {
        // The operand is known only when the byte is laid out: two places behind.
        const known = branch.get(`${optional}`);
        const place = known ?? this.#operations.length;
        const inside =
          known === undefined ? this.#push(branch, `${optional}`, optional, place + 2) : this.#branchOf(place);
        const behind = this.#place(
          inside,
          loop,
          this.#setOf('all', () => true),
        );
        return this.#place(
          behind,
          byte,
          this.#setOf(String(slash), (one) => one === slash),
        );
      }
    }
  }

  /** The place of `branch` that does this, made where there is none; returns where it goes on. */
  #place(branch: Branch, operation: number, operand: number): Branch {
    const key = `${operation} ${operand}`;
    const known = branch.get(key);
    return known === undefined ? this.#push(branch, key, operation, operand) : this.#branchOf(known);
  }

  #push(branch: Branch, key: string, operation: number, operand: number): Branch {
    const own: Branch = new Map();
    branch.set(key, this.#operations.length);
    this.#operations.push(operation);
    this.#operands.push(operand);
    this.#branches.push(own);
    return own;
  }

  #branchOf(place: number): Branch {
    const branch = this.#branches[place];
    if (branch === undefined) throw new Error('a place that was laid out has a branch');
    return branch;
  }

  #setOf(key: string, has: (byte: number) => boolean): number {
    let number = this.#setNumbers.get(key);
    if (number === undefined) {
      number = this.#sets.length;
      this.#setNumbers.set(key, number);
      this.#sets.push(Uint8Array.from({ length: 256 }, (_, byte) => (has(byte) ? 1 : 0)));
    }
    return number;
  }
}

/** Bytes that no set of these programs tells apart, as classes: byte → class, and one byte of each class. */
export function byteClassesOf(programs: readonly GlobProgram[]): {
  readonly classes: Uint8Array;
  readonly representatives: readonly number[];
} {
  const sets = programs.flatMap((program) => program.sets);
  const classes = new Uint8Array(256);
  const representatives: number[] = [];
  const known = new Map<string, number>();
  for (let byte = 0; byte < 256; byte++) {
    // The end of a component is always told apart: walks ask for it.
    const key = sets.map((set) => set[byte]).join('') + (byte === slash ? '/' : '');
    let number = known.get(key);
    if (number === undefined) {
      number = known.size;
      known.set(key, number);
    }
    classes[byte] = number;
    // The last one: NUL, which no path has, stands for nothing but itself.
    representatives[number] = byte;
  }
  return { classes, representatives };
}
