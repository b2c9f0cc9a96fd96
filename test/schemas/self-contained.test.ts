import test from 'ava';
import avro from 'avsc';
import { fingerprintOf } from '../../eventlog/fingerprint.ts';
import { avroTypeOf } from '../../schemas/avro-types.ts';
import { selfContainedSchema } from '../../schemas/self-contained.ts';
import { topicNames } from '../../schemas/topics.ts';

for (const topic of topicNames) {
  test(`the schema of ${topic} in one piece is the schema of ${topic}`, (t) => {
    const type = avro.Type.forSchema(JSON.parse(selfContainedSchema(topic)) as avro.Schema, { wrapUnions: false });
    t.is(fingerprintOf(type), fingerprintOf(avroTypeOf(topic).type));
  });
}

test('documentation and the defaults of enums are in it, and each type is defined once', (t) => {
  const text = selfContainedSchema('raw-events');
  t.regex(text, /"doc":"Topic raw-events, key node id/u);
  const schema = JSON.parse(text) as unknown;
  const enums = definitionsIn(schema).filter(({ symbols }) => symbols !== undefined);
  t.true(enums.length > 0);
  for (const one of enums) t.is(one['default'], 'unknown', String(one['name']));
  const names = definitionsIn(schema).map(({ name }) => name);
  t.is(new Set(names).size, names.length);
});

function definitionsIn(part: unknown): readonly Readonly<Record<string, unknown>>[] {
  if (typeof part !== 'object' || part === null) return [];
  const own = 'symbols' in part || 'fields' in part ? [part as Readonly<Record<string, unknown>>] : [];
  return [...own, ...Object.values(part).flatMap(definitionsIn)];
}
