import { textType } from './column-type.ts';
import { Dictionary } from './dictionary.ts';
import { NativeOutput } from './native-output.ts';
import type { TableColumn } from './table-columns.ts';

/**
 * Rows as one block of ClickHouse's format Native (src/Formats/NativeReader.cpp, as a server reads it over HTTP): number of
 * columns, number of rows, then column by column its name, its type and its values.
 */
export function nativeBlock<Row>(columns: readonly TableColumn<Row>[], rows: readonly Row[]): Buffer {
  const output = new NativeOutput();
  output.varint(columns.length);
  output.varint(rows.length);
  for (const { name, type, valuesOf: valuesIn } of columns) {
    const values = valuesIn(rows);
    output.string(name);
    const dictionary = type === textType ? Dictionary.of(values as readonly string[]) : undefined;
    output.string(dictionary === undefined ? type.name : Dictionary.typeName);
    if (dictionary === undefined) type.write(output, values);
    else dictionary.write(output);
  }
  return output.take();
}
