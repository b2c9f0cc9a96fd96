import { AvroInput } from './avro-input.ts';
import type { FieldReader, NamedColumn } from './column.ts';
import { NativeOutput } from './native-output.ts';

/**
 * Rows as one block of ClickHouse's format Native (src/Formats/NativeReader.cpp, as a server reads it over HTTP): number of
 * columns, number of rows, then column by column its name, its type and its values. They are made of a topic's Avro binary, with
 * no value in between: three quarters of what a row costs would go into making it and taking it apart.
 */
export class NativeBlock {
  readonly #columns: readonly NamedColumn[];
  readonly #fields: readonly FieldReader[];
  readonly #input = new AvroInput();
  #rows = 0;

  /** `fields` reads each field of the topic's record, in their order, into `columns`. */
  constructor(columns: readonly NamedColumn[], fields: readonly FieldReader[]) {
    this.#columns = columns;
    this.#fields = fields;
  }

  /** In the order in which the block has them. */
  get columnNames(): readonly string[] {
    return this.#columns.map(({ name }) => name);
  }

  get rows(): number {
    return this.#rows;
  }

  /** Takes one record of the topic, which was checked to be one and must stay as it is. */
  add(encodedValue: Uint8Array): void {
    this.#input.begin(encodedValue);
    for (const field of this.#fields) field.read(this.#input);
    this.#rows += 1;
  }

  /** Nothing can be added any more. */
  take(): Buffer {
    const output = new NativeOutput();
    output.varint(this.#columns.length);
    output.varint(this.#rows);
    for (const { name, column } of this.#columns) {
      output.string(name);
      output.string(column.typeName);
      column.write(output);
    }
    return output.take();
  }
}
