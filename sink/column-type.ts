import type avro from 'avsc';
import {
  ArrayColumn,
  BooleanColumn,
  Int32Column,
  Int64Column,
  NullableColumn,
  TupleColumn,
  type Column,
} from './column.ts';
import { RepeatedTextColumn, SymbolColumn, TextColumn } from './text-column.ts';

/** `podName` → `pod_name`: a topic's field is a column under the same name in ClickHouse's casing. */
export function columnOf(field: string): string {
  return field.replace(/[A-Z]/gu, (letter) => `_${letter.toLowerCase()}`);
}

/** A field of a record: its name in the topic, and how to begin a column of it. */
export interface TypedField {
  readonly name: string;
  readonly begin: () => Column;
}

/** The fields of an Avro record, in their order. Throws where one has a type that no column of ours has. */
export function fieldsOf(record: avro.Type, except: readonly string[] = []): readonly TypedField[] {
  return shapeOf(record)
    .fields.filter(({ name }) => !except.includes(name))
    .map(({ name, type }) => ({ name, begin: columnBeginning(type) }));
}

/** The names of an Avro record's fields, in the order in which their values stand in its binary. */
export function fieldNamesOf(record: avro.Type): readonly string[] {
  return shapeOf(record).fields.map(({ name }) => name);
}

/** avsc's declarations lack these properties, each of which is there for its own kind of type. */
interface Shape {
  readonly typeName: string;
  readonly fields: readonly { readonly name: string; readonly type: avro.Type }[];
  readonly symbols: readonly string[];
  readonly itemsType: avro.Type;
  readonly types: readonly avro.Type[];
}

function shapeOf(type: avro.Type): Shape {
  return type as unknown as Shape;
}

/** A column of its own of a field: of texts, most repeat. */
function columnBeginning(type: avro.Type): () => Column {
  const { typeName, symbols } = shapeOf(type);
  if (typeName === 'string') return () => new RepeatedTextColumn();
  if (typeName === 'enum') {
    const texts = symbols.map((symbol) => Buffer.from(symbol));
    return () => new SymbolColumn(texts, new RepeatedTextColumn());
  }
  return partBeginning(type);
}

/** What stands in a column, or in a part of one. */
function partBeginning(type: avro.Type): () => Column {
  const { typeName, itemsType, types, symbols } = shapeOf(type);
  switch (typeName) {
    case 'string':
      return () => new TextColumn();
    case 'enum': {
      const texts = symbols.map((symbol) => Buffer.from(symbol));
      return () => new SymbolColumn(texts, new TextColumn());
    }
    case 'int':
      return () => new Int32Column();
    case 'long':
    // A long whose values are read as bigint (schemas/avro-types.ts).
    case 'abstract:long':
      return () => new Int64Column();
    case 'boolean':
      return () => new BooleanColumn();
    case 'array': {
      const item = partBeginning(itemsType);
      return () => new ArrayColumn(item());
    }
    case 'record': {
      const fields = shapeOf(type).fields.map((field) => ({
        name: columnOf(field.name),
        begin: partBeginning(field.type),
      }));
      return () => new TupleColumn(fields.map(({ name, begin }) => ({ name, column: begin() })));
    }
    case 'union:unwrapped': {
      const [none, some] = types;
      if (none === undefined || some === undefined || types.length !== 2 || shapeOf(none).typeName !== 'null') break;
      const inner = partBeginning(some);
      return () => new NullableColumn(inner());
    }
  }
  throw new Error(`no column type for Avro type ${typeName}`);
}
