import type avro from 'avsc';
import type { NativeOutput } from './native-output.ts';

/** A type of ClickHouse, and how a column of it stands in the format Native. */
export interface ColumnType {
  /** As ClickHouse writes it: `Array(String)`. */
  readonly name: string;
  /** Writes the values of all rows. They are what `avsc` decodes for the Avro type that this one was made of. */
  readonly write: (output: NativeOutput, values: readonly unknown[]) => void;
  /** What stands for no value, where one has to stand there. */
  readonly empty: unknown;
}

/** `podName` → `pod_name`: a topic's field is a column under the same name in ClickHouse's casing. */
export function columnOf(field: string): string {
  return field.replace(/[A-Z]/gu, (letter) => `_${letter.toLowerCase()}`);
}

/** Text. What is LowCardinality(String) in a table takes it too. */
export const textType: ColumnType = {
  name: 'String',
  empty: '',
  write: (output, values) => {
    for (const value of values) output.string(value as string);
  },
};

const int32Type: ColumnType = {
  name: 'Int32',
  empty: 0,
  write: (output, values) => {
    for (const value of values) output.int32(value as number);
  },
};

/** Safe integers. */
export const int64Type: ColumnType = {
  name: 'Int64',
  empty: 0,
  write: (output, values) => {
    for (const value of values) output.int64(value as number);
  },
};

const bigint64Type: ColumnType = {
  name: 'Int64',
  empty: 0n,
  write: (output, values) => {
    for (const value of values) output.bigint64(value as bigint);
  },
};

const booleanType: ColumnType = {
  name: 'Bool',
  empty: false,
  write: (output, values) => {
    for (const value of values) output.uint8(value === true ? 1 : 0);
  },
};

/** Lists: where each row's items end, as 64-bit numbers, then the items of all rows. */
export function arrayType(item: ColumnType): ColumnType {
  return {
    name: `Array(${item.name})`,
    empty: [],
    write: (output, values) => {
      const lists = values as readonly (readonly unknown[])[];
      let end = 0;
      for (const list of lists) output.int64((end += list.length));
      item.write(output, lists.flat());
    },
  };
}

/** Names to values; the pairs of a row are an array of `[name, value]`. */
export function mapType(key: ColumnType, value: ColumnType): ColumnType {
  const pairs = arrayType({
    name: '',
    empty: [],
    write: (output, items) => {
      const all = items as readonly (readonly [unknown, unknown])[];
      key.write(
        output,
        all.map(([one]) => one),
      );
      value.write(
        output,
        all.map(([, one]) => one),
      );
    },
  });
  return { ...pairs, name: `Map(${key.name}, ${value.name})` };
}

/** Whether each row has none, a byte each, then the values of all rows. */
function nullableType(inner: ColumnType): ColumnType {
  return {
    name: `Nullable(${inner.name})`,
    empty: null,
    write: (output, values) => {
      for (const value of values) output.uint8(value === null ? 1 : 0);
      inner.write(
        output,
        values.map((value) => value ?? inner.empty),
      );
    },
  };
}

/** The fields one after the other, each of all rows. */
function tupleType(fields: readonly { readonly name: string; readonly type: ColumnType }[]): ColumnType {
  return {
    name: `Tuple(${fields.map(({ name, type }) => `${columnOf(name)} ${type.name}`).join(', ')})`,
    empty: Object.fromEntries(fields.map(({ name, type }) => [name, type.empty])),
    write: (output, values) => {
      for (const { name, type } of fields) type.write(output, valuesOf(values, name));
    },
  };
}

/** One field of many records. A loop, since this is half of what a row costs, and `map` takes twice as long. */
export function valuesOf(records: readonly unknown[], field: string): readonly unknown[] {
  const values = new Array<unknown>(records.length);
  for (let place = 0; place < values.length; place++) {
    values[place] = (records[place] as Readonly<Record<string, unknown>>)[field];
  }
  return values;
}

/** A field of a record: its name in the topic, and its type in ClickHouse. */
export interface TypedField {
  readonly name: string;
  readonly type: ColumnType;
}

/** The fields of an Avro record, in their order. Throws where one has a type that no column of ours has. */
export function fieldsOf(record: avro.Type, except: readonly string[] = []): readonly TypedField[] {
  const { fields = [] } = record as unknown as Shape;
  return fields
    .filter(({ name }) => !except.includes(name))
    .map(({ name, type }) => ({ name, type: columnTypeOf(type) }));
}

/** avsc's declarations lack these properties, each of which is there for its own kind of type. */
interface Shape {
  readonly typeName: string;
  readonly fields?: readonly { readonly name: string; readonly type: avro.Type }[];
  readonly itemsType: avro.Type;
  readonly types?: readonly avro.Type[];
}

function columnTypeOf(type: avro.Type): ColumnType {
  const { typeName, itemsType, types = [] } = type as unknown as Shape;
  switch (typeName) {
    case 'string':
    case 'enum':
      return textType;
    case 'int':
      return int32Type;
    case 'long':
      return int64Type;
    // Read as bigint (schemas/avro-types.ts).
    case 'abstract:long':
      return bigint64Type;
    case 'boolean':
      return booleanType;
    case 'array':
      return arrayType(columnTypeOf(itemsType));
    case 'record':
      return tupleType(fieldsOf(type));
    case 'union:unwrapped': {
      const [none, some] = types;
      if (some === undefined || types.length !== 2 || (none as unknown as Shape).typeName !== 'null') break;
      return nullableType(columnTypeOf(some));
    }
  }
  throw new Error(`no column type for Avro type ${typeName}`);
}
