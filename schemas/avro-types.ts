import avro from 'avsc';
import { bigintLong } from './bigint-long.ts';
import { avroSchemas, releasedAvroSchemas } from './generated.ts';
import { topics, type TopicName, type TopicValues } from './topics.ts';

/**
 * An avsc type whose values are `Value`. `type` is for those who need more of avsc than encode and decode
 * (fingerprints, resolvers, object containers).
 */
export interface AvroType<Value> {
  readonly type: avro.Type;
  /** Encodes a value that the caller has built to the schema. Throws avsc's error, which names the invalid field. */
  encode(value: Value): Uint8Array;
  /** Decodes exactly all of `bytes`. Throws where they are not a value of this type. Byte fields are views of `bytes`. */
  decode(bytes: Uint8Array): Value;
}

/**
 * Avro's `bytes` from any Uint8Array: avsc 5 takes Buffers alone, since its writer calls Buffer's `copy`. It has no public
 * way to say so; the two methods are named as in lib/types.js of 5.7.9, and a test holds them.
 */
class AnyBytesType extends avro.types.BytesType {
  _check(value: unknown, _flags: unknown, hook?: (value: unknown, type: avro.Type) => void): boolean {
    const valid = value instanceof Uint8Array;
    if (!valid) hook?.(value, this);
    return valid;
  }

  _write(tap: { writeBytes(bytes: Buffer): void }, value: unknown): void {
    if (!(value instanceof Uint8Array)) throw new TypeError(`invalid "bytes": ${typeof value}`);
    tap.writeBytes(Buffer.isBuffer(value) ? value : Buffer.from(value.buffer, value.byteOffset, value.byteLength));
  }
}

/** Our own types in the place of avsc's, where a schema asks for them. */
function typeHook(part: avro.Schema): avro.Type | undefined {
  if (part === 'bytes') return new AnyBytesType();
  return typeof part === 'object' && 'javaScript' in part && part['javaScript'] === 'bigint' ? bigintLong() : undefined;
}

function build(schemas: readonly unknown[]): ReadonlyMap<string, avro.Type> {
  const registry: Record<string, avro.Type> = {};
  for (const schema of schemas) {
    avro.Type.forSchema(schema as avro.Schema, { registry, wrapUnions: false, typeHook });
  }
  return new Map(Object.entries(registry));
}

/**
 * The type of a schema that came with a file, which another release may have written, or another program. Throws where it is
 * no schema.
 */
export function avroTypeWrittenAs(schema: unknown): avro.Type {
  return avro.Type.forSchema(schema as avro.Schema, { wrapUnions: 'auto', typeHook });
}

/**
 * The types that earlier releases gave to a topic's values, oldest first; a topic that a release did not have is left out of
 * it. Builds all types of every release, each time.
 */
export function releasedTypesOf(topic: TopicName): readonly { readonly version: string; readonly type: avro.Type }[] {
  return releasedAvroSchemas.flatMap(({ version, schemas }) => {
    const type = build(schemas).get(`palisade.${topics[topic].valueType}`);
    return type === undefined ? [] : [{ version, type }];
  });
}

let built: ReadonlyMap<string, avro.Type> | undefined;

/** The avsc type of a record of schemas/avro, by its name without the namespace. */
export function avroTypeNamed(name: string): avro.Type {
  built ??= build(avroSchemas);
  const type = built.get(`palisade.${name}`);
  if (type === undefined) throw new Error(`schemas/avro has no type ${name}`);
  return type;
}

/** The Avro type of a topic's values. */
export function avroTypeOf<Topic extends TopicName>(topic: Topic): AvroType<TopicValues[Topic]> {
  const type = avroTypeNamed(topics[topic].valueType);
  return {
    type,
    encode: (value) => type.toBuffer(value),
    decode: (bytes) =>
      type.fromBuffer(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)) as TopicValues[Topic],
  };
}
