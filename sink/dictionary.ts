import { textType } from './column-type.ts';
import type { NativeOutput } from './native-output.ts';

/** As many as one byte a row can tell apart. */
const maxValues = 256;

/** Serialization of LowCardinality (`SerializationLowCardinality.cpp`): the version with keys of the block's own. */
const keysVersion = 1;
/** Indexes of one byte (0); the block has keys of its own (bit 9), which replace those of the block before (bit 10). */
const indexKind = 0x600;

/**
 * Texts that are few, each once, and for each row which one: less than half of what an insert has to carry, and what the
 * engine would make of them anyway where the table's column is LowCardinality.
 */
export class Dictionary {
  /** Any text column takes it. */
  static readonly typeName = 'LowCardinality(String)';
  readonly #values: readonly string[];
  readonly #indexes: Uint8Array;

  private constructor(values: readonly string[], indexes: Uint8Array) {
    this.#values = values;
    this.#indexes = indexes;
  }

  /** `undefined` where they are too many. */
  static of(values: readonly string[]): Dictionary | undefined {
    const known = new Map<string, number>();
    const indexes = new Uint8Array(values.length);
    let last: string | undefined;
    let lastIndex = 0;
    for (let row = 0; row < values.length; row++) {
      const value = values[row] ?? '';
      // Neighbors are often the same.
      if (value !== last) {
        let index = known.get(value);
        if (index === undefined) {
          if (known.size === maxValues) return undefined;
          index = known.size;
          known.set(value, index);
        }
        last = value;
        lastIndex = index;
      }
      indexes[row] = lastIndex;
    }
    return new Dictionary([...known.keys()], indexes);
  }

  write(output: NativeOutput): void {
    output.int64(keysVersion);
    output.int64(indexKind);
    output.int64(this.#values.length);
    textType.write(output, this.#values);
    output.int64(this.#indexes.length);
    output.bytes(this.#indexes);
  }
}
