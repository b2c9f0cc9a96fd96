import { operations } from './glob-program.ts';
import type { GlobProgram } from './glob-program.ts';
import type { ByteString } from './root-links.ts';

/** Walks sets of places of one program; its marks are reused from step to step. */
export class PlaceSets {
  readonly program: GlobProgram;
  readonly #marks: Uint32Array;
  #stamp = 0;

  constructor(program: GlobProgram) {
    this.program = program;
    this.#marks = new Uint32Array(program.operations.length);
  }

  /** Where all globs begin. */
  start(): number[] {
    return this.withEmptySteps(this.program.starts);
  }

  /** Every place: what may be where nothing is known of the bytes so far. */
  everywhere(): number[] {
    return Array.from(this.program.operations, (_, place) => place);
  }

  /** These places and those that follow without a byte, ascending. */
  withEmptySteps(places: Iterable<number>): number[] {
    this.#begin();
    const found: number[] = [];
    for (const place of places) this.#add(place, found);
    return found.sort(ascending);
  }

  /** Where `byte` leads from `places`, ascending. */
  step(places: readonly number[], byte: number): number[] {
    this.#begin();
    const { operations: kinds, operands, sets } = this.program;
    const found: number[] = [];
    for (const place of places) {
      const kind = kinds[place] ?? operations.byte;
      if (kind === operations.acceptAll) this.#add(place, found);
      if (kind > operations.loop || sets[operands[place] ?? 0]?.[byte] !== 1) continue;
      if (kind === operations.loop) this.#add(place, found);
      else this.#addNext(place, found);
    }
    return found.sort(ascending);
  }

  /** Where a whole text leads. */
  stepAll(places: readonly number[], bytes: ByteString): number[] {
    let reached = [...places];
    for (let at = 0; at < bytes.length; at++) reached = this.step(reached, bytes.charCodeAt(at));
    return reached;
  }

  /** Values of the globs that match the path taken so far; those that match whatever follows are among them. */
  pathValues(places: readonly number[]): number[] {
    return this.#valuesOf(places, operations.acceptPath, operations.acceptAll);
  }

  /** Values of the globs that match the directory whose final `/` was taken last. */
  directoryValues(places: readonly number[]): number[] {
    return this.#valuesOf(places, operations.acceptDirectory, operations.acceptDirectory);
  }

  /** Values of the globs that match whatever follows. */
  finalValues(places: readonly number[]): number[] {
    return this.#valuesOf(places, operations.acceptAll, operations.acceptAll);
  }

  /** Those of `places` at which something is still open. */
  unsettled(places: readonly number[]): number[] {
    return places.filter((place) => this.program.operations[place] !== operations.acceptAll);
  }

  #begin(): void {
    this.#stamp += 1;
    // Stamps are 32 bits wide: where they begin anew, no mark of an old one may be left.
    if (this.#stamp === 0xffffffff) {
      this.#marks.fill(0);
      this.#stamp = 1;
    }
  }

  #add(place: number, found: number[]): void {
    if (this.#marks[place] === this.#stamp) return;
    this.#marks[place] = this.#stamp;
    const kind = this.program.operations[place];
    if (kind === operations.optional) {
      this.#addNext(place, found);
      this.#addNext(this.program.operands[place] ?? 0, found);
      return;
    }
    found.push(place);
    if (kind === operations.loop) this.#addNext(place, found);
  }

  /** Nested no deeper than places follow one another without a byte: a loop and an optional, since no two loops do. */
  #addNext(place: number, found: number[]): void {
    const { nextStarts, next } = this.program;
    const end = nextStarts[place + 1] ?? 0;
    for (let at = nextStarts[place] ?? 0; at < end; at++) this.#add(next[at] ?? 0, found);
  }

  #valuesOf(places: readonly number[], one: number, other: number): number[] {
    const values = new Set<number>();
    for (const place of places) {
      const kind = this.program.operations[place];
      if (kind === one || kind === other) values.add(this.program.operands[place] ?? 0);
    }
    return [...values].sort(ascending);
  }
}

function ascending(one: number, other: number): number {
  return one - other;
}
