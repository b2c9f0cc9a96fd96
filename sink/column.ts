import type { AvroInput } from './avro-input.ts';
import { NativeOutput } from './native-output.ts';

/** What takes the values of one field. */
export interface FieldReader {
  /** Takes the next value, which is of the Avro type that this was made for. */
  read(input: AvroInput): void;
}

/** What one column has of the rows of an insert, in ClickHouse's format Native: it is filled row by row. */
export interface Column extends FieldReader {
  /** Of ClickHouse, as it writes it: `Array(String)`. Of what was read so far. */
  readonly typeName: string;
  /** Takes what stands for no value where one has to stand there. */
  readNone(): void;
  /** The values of all rows. */
  write(output: NativeOutput): void;
}

/** Of an int. */
export class Int32Column implements Column {
  readonly typeName = 'Int32';
  readonly #values = new NativeOutput();
  readonly #none: number;

  constructor(none = 0) {
    this.#none = none;
  }

  read(input: AvroInput): void {
    this.#values.int32(input.int());
  }

  readNone(): void {
    this.#values.int32(this.#none);
  }

  write(output: NativeOutput): void {
    output.append(this.#values);
  }
}

/** Of a long, with all its 64 bits. */
export class Int64Column implements Column {
  readonly typeName = 'Int64';
  readonly #values = new NativeOutput();

  read(input: AvroInput): void {
    input.long();
    this.#values.words(input.low, input.high);
  }

  readNone(): void {
    this.#values.words(0, 0);
  }

  /** Takes a safe integer. */
  take(value: number): void {
    this.#values.int64(value);
  }

  write(output: NativeOutput): void {
    output.append(this.#values);
  }
}

/** A byte each. */
export class BooleanColumn implements Column {
  readonly typeName = 'Bool';
  readonly #values = new NativeOutput();

  read(input: AvroInput): void {
    this.#values.uint8(input.boolean() ? 1 : 0);
  }

  readNone(): void {
    this.#values.uint8(0);
  }

  write(output: NativeOutput): void {
    output.append(this.#values);
  }
}

/** Of a union of null and something: whether each row has none, a byte each, then the values of all rows. */
export class NullableColumn implements Column {
  readonly #isNone = new NativeOutput();
  readonly #inner: Column;

  constructor(inner: Column) {
    this.#inner = inner;
  }

  get typeName(): string {
    return `Nullable(${this.#inner.typeName})`;
  }

  read(input: AvroInput): void {
    if (input.int() === 0) {
      this.readNone();
      return;
    }
    this.#isNone.uint8(0);
    this.#inner.read(input);
  }

  readNone(): void {
    this.#isNone.uint8(1);
    this.#inner.readNone();
  }

  write(output: NativeOutput): void {
    output.append(this.#isNone);
    this.#inner.write(output);
  }
}

/** Of an array: where each row's items end, as 64-bit numbers, then the items of all rows. */
export class ArrayColumn implements Column {
  readonly #ends = new NativeOutput();
  readonly #item: Column;
  #end = 0;

  constructor(item: Column) {
    this.#item = item;
  }

  get typeName(): string {
    return `Array(${this.#item.typeName})`;
  }

  read(input: AvroInput): void {
    for (let count = input.count(); count > 0; count = input.count()) {
      this.#end += count;
      for (let place = 0; place < count; place++) this.#item.read(input);
    }
    this.#ends.int64(this.#end);
  }

  readNone(): void {
    this.#ends.int64(this.#end);
  }

  write(output: NativeOutput): void {
    output.append(this.#ends);
    this.#item.write(output);
  }
}

/** A field of a record, and its column. */
export interface NamedColumn {
  /** In ClickHouse. */
  readonly name: string;
  readonly column: Column;
}

/** Of a record: its fields one after the other, each of all rows. */
export class TupleColumn implements Column {
  readonly #fields: readonly NamedColumn[];

  constructor(fields: readonly NamedColumn[]) {
    this.#fields = fields;
  }

  get typeName(): string {
    return `Tuple(${this.#fields.map(({ name, column }) => `${name} ${column.typeName}`).join(', ')})`;
  }

  read(input: AvroInput): void {
    for (const { column } of this.#fields) column.read(input);
  }

  readNone(): void {
    for (const { column } of this.#fields) column.readNone();
  }

  write(output: NativeOutput): void {
    for (const { column } of this.#fields) column.write(output);
  }
}
