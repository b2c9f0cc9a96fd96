import type avro from 'avsc';
import fc from 'fast-check';

/** Values of an avsc type, for properties over every schema. Text is valid UTF-8; a nested type is at most a few deep. */
export function valuesOf(type: avro.Type, depth = 0): fc.Arbitrary<unknown> {
  // avsc's declarations lack these classes' properties, each of which is there for its own kind.
  const shape = type as unknown as {
    readonly typeName: string;
    readonly fields: readonly { readonly name: string; readonly type: avro.Type }[];
    readonly symbols: readonly string[];
    readonly itemsType: avro.Type;
    readonly valuesType: avro.Type;
    readonly types: readonly avro.Type[];
    readonly size: number;
  };
  const maxLength = depth > 3 ? 0 : 3;
  switch (shape.typeName) {
    case 'null':
      return fc.constant(null);
    case 'boolean':
      return fc.boolean();
    case 'int':
      return fc.integer();
    case 'long':
      // Below -(2^52) the zig-zag form passes 2^53, where avsc 5.7.9 loses the sign without a word.
      return fc.integer({ min: -(2 ** 52), max: 2 ** 52 });
    case 'abstract:long':
      return fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
    case 'float':
      return fc.float();
    case 'double':
      return fc.double();
    case 'bytes':
      return fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes));
    case 'fixed':
      return fc.uint8Array({ minLength: shape.size, maxLength: shape.size }).map((bytes) => Buffer.from(bytes));
    case 'string':
      return fc.string({ unit: 'grapheme', maxLength: 8 });
    case 'enum':
      return fc.constantFrom(...shape.symbols);
    case 'array':
      return fc.array(valuesOf(shape.itemsType, depth + 1), { maxLength });
    case 'map':
      return fc.dictionary(fc.string({ unit: 'grapheme', maxLength: 8 }), valuesOf(shape.valuesType, depth + 1), {
        maxKeys: maxLength,
        noNullPrototype: true,
      });
    case 'union:unwrapped':
      return fc.oneof(...shape.types.map((branch) => valuesOf(branch, depth + 1)));
    case 'record':
      return fc.record(Object.fromEntries(shape.fields.map((field) => [field.name, valuesOf(field.type, depth + 1)])));
    default:
      throw new Error(`no values for Avro type ${shape.typeName}`);
  }
}
