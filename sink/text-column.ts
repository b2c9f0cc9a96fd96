import type { AvroInput } from './avro-input.ts';
import type { Column } from './column.ts';
import { NativeOutput } from './native-output.ts';

/** As many as one byte a row can tell apart. */
const maxValues = 256;

/** Serialization of LowCardinality (`SerializationLowCardinality.cpp`): the version with keys of the block's own. */
const keysVersion = 1;
/** Indexes of one byte (0); the block has keys of its own (bit 9), which replace those of the block before (bit 10). */
const indexKind = 0x600;

const noBytes = new Uint8Array();

/** A column that takes the bytes of texts, wherever they are. */
export interface TakesText extends Column {
  /** Takes the UTF-8 from `start` to `end`. The bytes must stay as they are until the next text. */
  take(bytes: Uint8Array, start: number, end: number): void;
}

/** Text, one after the other. What is LowCardinality(String) in a table takes it too. */
export class TextColumn implements TakesText {
  readonly typeName = 'String';
  readonly #values = new NativeOutput();

  read(input: AvroInput): void {
    const end = input.extent();
    this.take(input.bytes, input.position, end);
    input.position = end;
  }

  readNone(): void {
    this.take(noBytes, 0, 0);
  }

  take(bytes: Uint8Array, start: number, end: number): void {
    this.#values.text(bytes, start, end);
  }

  write(output: NativeOutput): void {
    output.append(this.#values);
  }
}

/**
 * Texts of which many repeat. While they are few, each is kept once, and for each row which one: less than half of what an insert
 * has to carry, and what the engine would make of them anyway where the table's column is LowCardinality. Any text column
 * takes either.
 */
export class RepeatedTextColumn implements TakesText {
  /** The rows' texts, or the dictionary's where there is one. */
  #values = new NativeOutput();
  /** Where each text of the dictionary begins in `#values`, with its length ahead. */
  readonly #starts: number[] = [];
  /** By the bytes, each as a character; `undefined` where they were too many. */
  #known: Map<string, number> | undefined = new Map();
  #indexes = new NativeOutput();
  /** The text of the last row. */
  #last: Uint8Array = noBytes;
  #lastStart = 0;
  #lastEnd = 0;
  #lastIndex = -1;

  get typeName(): string {
    return this.#known === undefined ? 'String' : 'LowCardinality(String)';
  }

  read(input: AvroInput): void {
    const end = input.extent();
    this.take(input.bytes, input.position, end);
    input.position = end;
  }

  readNone(): void {
    this.take(noBytes, 0, 0);
  }

  take(bytes: Uint8Array, start: number, end: number): void {
    if (this.#known === undefined) this.#values.text(bytes, start, end);
    else if (this.#isLast(bytes, start, end)) this.#indexes.uint8(this.#lastIndex);
    else this.#takeOther(this.#known, bytes, start, end);
  }

  write(output: NativeOutput): void {
    if (this.#known !== undefined) {
      output.int64(keysVersion);
      output.int64(indexKind);
      output.int64(this.#starts.length);
    }
    output.append(this.#values);
    if (this.#known === undefined) return;
    output.int64(this.#indexes.length);
    output.append(this.#indexes);
  }

  /** Neighbors are often the same. */
  #isLast(bytes: Uint8Array, start: number, end: number): boolean {
    if (this.#lastIndex < 0 || end - start !== this.#lastEnd - this.#lastStart) return false;
    const last = this.#last;
    // From the end: names in one folder differ there.
    for (let place = end - 1, other = this.#lastEnd - 1; place >= start; place--, other--) {
      if (bytes[place] !== last[other]) return false;
    }
    return true;
  }

  #takeOther(known: Map<string, number>, bytes: Uint8Array, start: number, end: number): void {
    const key = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('latin1');
    let index = known.get(key);
    if (index === undefined) {
      index = this.#starts.length;
      if (index === maxValues) {
        this.#writeOut();
        this.#values.text(bytes, start, end);
        return;
      }
      known.set(key, index);
      this.#starts.push(this.#values.length);
      this.#values.text(bytes, start, end);
    }
    this.#indexes.uint8(index);
    this.#last = bytes;
    this.#lastStart = start;
    this.#lastEnd = end;
    this.#lastIndex = index;
  }

  /** Goes on without the dictionary. */
  #writeOut(): void {
    const dictionary = this.#values.take();
    const texts = this.#starts.map((start, index) => dictionary.subarray(start, this.#starts[index + 1]));
    this.#values = new NativeOutput();
    for (const index of this.#indexes.take()) this.#values.bytes(texts[index] ?? noBytes);
    this.#known = undefined;
    this.#indexes = new NativeOutput();
  }
}

/** Of an enum: its symbols as text. */
export class SymbolColumn implements Column {
  readonly #symbols: readonly Uint8Array[];
  readonly #text: TakesText;

  constructor(symbols: readonly Uint8Array[], text: TakesText) {
    this.#symbols = symbols;
    this.#text = text;
  }

  get typeName(): string {
    return this.#text.typeName;
  }

  read(input: AvroInput): void {
    const symbol = this.#symbols[input.int()] ?? noBytes;
    this.#text.take(symbol, 0, symbol.length);
  }

  readNone(): void {
    this.#text.readNone();
  }

  write(output: NativeOutput): void {
    this.#text.write(output);
  }
}
