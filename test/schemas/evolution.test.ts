import test from 'ava';
import avro from 'avsc';
import { avroTypeNamed } from '../../schemas/avro-types.ts';
import { avroSchemas, symbolsOfOperation } from '../../schemas/generated.ts';

// A reader of an earlier release meets symbols that were added since.

interface EnumSchema {
  readonly name: string;
  readonly symbols: readonly string[];
  readonly default?: string;
}

/** Every enum of the schemas, wherever it is defined. */
function enumsOf(schema: unknown): readonly EnumSchema[] {
  if (typeof schema !== 'object' || schema === null) return [];
  const own = 'symbols' in schema ? [schema as EnumSchema] : [];
  return [...own, ...Object.values(schema).flatMap(enumsOf)];
}

const enums = enumsOf(avroSchemas);

test('every enum has a symbol for what its reader does not know, as its default', (t) => {
  t.true(enums.length > 5);
  for (const { name, symbols, default: fallback } of enums) {
    t.is(fallback, 'unknown', name);
    t.is(symbols[0], 'unknown', name);
  }
});

for (const one of enums) {
  test(`a reader that knows only the first symbols of ${one.name} takes the others for unknown`, (t) => {
    const writer = avroTypeNamed(one.name);
    const earlier = avro.Type.forSchema({
      type: 'enum',
      name: `palisade.${one.name}`,
      symbols: one.symbols.slice(0, 2),
      default: 'unknown',
    });
    const resolver = earlier.createResolver(writer);
    for (const [place, symbol] of one.symbols.entries()) {
      t.is(earlier.fromBuffer(writer.toBuffer(symbol), resolver), place < 2 ? symbol : 'unknown');
    }
  });
}

test('operations keep the numbers that captures and kernels know them by', (t) => {
  t.deepEqual(symbolsOfOperation.slice(0, 14), [
    ...['unknown', 'existing', 'fork', 'exec', 'exit', 'open', 'connect'],
    ...['unlink', 'rmdir', 'rename', 'socket', 'bind', 'listen', 'accept'],
  ]);
});
