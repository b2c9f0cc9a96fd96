import { avroSchemas } from './generated.ts';
import { topics, type TopicName } from './topics.ts';

/** What stands for another type in a schema: its name, a list of types, or its definition. */
type Part = string | readonly unknown[] | Readonly<Record<string, unknown>>;

/**
 * The Avro schema of a topic's values as one JSON text, with the definition of each type where it is first named: what a schema
 * registry and other programs take. Documentation and defaults are in it, which avsc's own `schema()` leaves out of enums.
 * `schemas` are the present ones, or those of a release that had the topic.
 */
export function selfContainedSchema(topic: TopicName, schemas: readonly unknown[] = avroSchemas): string {
  const definitions = new Map<string, Readonly<Record<string, unknown>>>();
  for (const schema of schemas) collect(schema as Part, definitions);
  const root = definitions.get(topics[topic].valueType);
  if (root === undefined) throw new Error(`schemas/avro has no type ${topics[topic].valueType}`);
  return JSON.stringify(inline(root, definitions, new Set()));
}

function collect(part: Part, definitions: Map<string, Readonly<Record<string, unknown>>>): void {
  if (typeof part === 'string') return;
  if (!isList(part)) {
    const { name, symbols, fields } = part;
    if (typeof name === 'string' && (symbols !== undefined || fields !== undefined)) definitions.set(name, part);
  }
  for (const inner of partsOf(part)) collect(inner, definitions);
}

/** The types within a part; not what only looks like one, such as a default or a name. */
function partsOf(part: Exclude<Part, string>): readonly Part[] {
  if (isList(part)) return part as readonly Part[];
  const { fields, type, items, values } = part;
  if (fields !== undefined) return fields as readonly Part[];
  return [type, items, values].flatMap((inner) => (inner === undefined ? [] : [inner as Part]));
}

function inline(
  part: Part,
  definitions: ReadonlyMap<string, Readonly<Record<string, unknown>>>,
  defined: Set<string>,
): unknown {
  if (typeof part === 'string') {
    const definition = definitions.get(part);
    return definition === undefined || defined.has(part) ? part : inline(definition, definitions, defined);
  }
  if (isList(part)) return part.map((branch) => inline(branch as Part, definitions, defined));
  const { name, symbols, fields } = part;
  if (typeof name === 'string' && (symbols !== undefined || fields !== undefined)) defined.add(name);
  const changed: Record<string, unknown> = { ...part };
  // In the order in which a parser meets them.
  for (const key of ['type', 'items', 'values', 'fields'] as const) {
    if (changed[key] !== undefined) changed[key] = inline(changed[key] as Part, definitions, defined);
  }
  return changed;
}

function isList(part: Part): part is readonly unknown[] {
  return Array.isArray(part);
}
