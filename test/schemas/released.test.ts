import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import { avroTypeOf, releasedTypesOf } from '../../schemas/avro-types.ts';
import { releasedAvroSchemas } from '../../schemas/generated.ts';
import { topicNames } from '../../schemas/topics.ts';
import { valuesOf } from '../eventlog/avro-arbitrary.ts';

// What schemas/avro says now, held against what each release said.

test('every release and every schema of it is in the folder of its version, oldest first', (t) => {
  const folder = 'schemas/avro/released';
  const versions = releasedAvroSchemas.map(({ version }) => version);
  t.deepEqual([...versions].sort(), readdirSync(folder).sort());
  t.is(versions[0], '0.1.0');
  for (const { version, schemas } of releasedAvroSchemas) {
    const names = readdirSync(join(folder, version)).map((file) => {
      const schema = JSON.parse(readFileSync(join(folder, version, file), 'utf8')) as { readonly name: string };
      return schema.name;
    });
    t.deepEqual(new Set(schemas.map((schema) => (schema as { readonly name: string }).name)), new Set(names));
  }
});

test('the first release has every topic', (t) => {
  for (const topic of topicNames) t.is(releasedTypesOf(topic)[0]?.version, '0.1.0', topic);
});

for (const topic of topicNames) {
  for (const { version, type: released } of releasedTypesOf(topic)) {
    const current = avroTypeOf(topic).type;

    test(`${topic}: what ${version} wrote is read as it was meant, new fields by their defaults`, (t) => {
      const resolver = current.createResolver(released);
      fc.assert(
        fc.property(valuesOf(released), (value) => {
          const bytes = released.toBuffer(value);
          const read = current.fromBuffer(bytes, resolver) as unknown;
          t.true(current.isValid(read));
          // An earlier writer leaves out the fields that it does not know, and nothing else may differ.
          t.deepEqual(released.toBuffer(read), bytes);
        }),
        { numRuns: 50 },
      );
    });

    test(`${topic}: what is written now ${version} reads, without what it does not know`, (t) => {
      const resolver = released.createResolver(current);
      fc.assert(
        fc.property(valuesOf(current), (value) => {
          t.true(released.isValid(released.fromBuffer(current.toBuffer(value), resolver)));
        }),
        { numRuns: 50 },
      );
    });
  }
}
