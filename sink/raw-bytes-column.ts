import type { AvroInput } from './avro-input.ts';
import { columnOf } from './column-type.ts';
import type { Column } from './column.ts';
import { NativeOutput } from './native-output.ts';

/** Of an array of `RawBytes`: column to bytes in hexadecimal digits, as JSON and a person's query can carry them. */
export class RawBytesColumn implements Column {
  readonly typeName = 'Map(String, String)';
  readonly #ends = new NativeOutput();
  readonly #keys = new NativeOutput();
  readonly #values = new NativeOutput();
  #end = 0;

  read(input: AvroInput): void {
    for (let count = input.count(); count > 0; count = input.count()) {
      this.#end += count;
      for (let place = 0; place < count; place++) {
        this.#keys.string(columnOf(input.view().toString()));
        this.#values.string(input.view().toString('hex').toUpperCase());
      }
    }
    this.#ends.int64(this.#end);
  }

  readNone(): void {
    this.#ends.int64(this.#end);
  }

  write(output: NativeOutput): void {
    output.append(this.#ends);
    output.append(this.#keys);
    output.append(this.#values);
  }
}
