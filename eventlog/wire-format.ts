import type avro from 'avsc';
import { printable } from '../runtime/printable.ts';
import type { TopicName, TopicValues } from '../schemas/topics.ts';
import { MalformedAvro } from './avro-bounds.ts';
import { RecordError } from './errors.ts';
import type { RegisteredSchemas } from './registered-schemas.ts';
import { TopicSchemas, type ValueReader } from './topic-schemas.ts';

/*
 * Values have one of two frames in front of them; readers take both.
 *
 * Avro single-object encoding (Avro 1.11 specification, "Single-object encoding"). The fingerprint is CRC-64-AVRO of the
 * schema's parsing canonical form:
 *
 *     byte   0    1    2 ............ 9   10 ...
 *          0xC3 0x01  fingerprint, LE     the value, binary encoding
 *
 * Confluent's wire format, with an id that a schema registry has given to the schema
 * (https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html#wire-format):
 *
 *     byte   0    1 ......... 4   5 ...
 *          0x00  schema id, BE    the value, binary encoding
 */
const singleObjectHeaderBytes = 10;
const confluentHeaderBytes = 5;
/** avsc's reasons have whole schemas in them. */
const maxReasonCharacters = 500;

/** Where a value was read, for the error that names it. */
export interface RecordPlace {
  readonly topic: TopicName;
  readonly partition: number;
  readonly offset: number;
}

/** How values cross a log. */
export interface WireFormat {
  /** Encodes and frames. Throws a TypeError that names the field where `value` does not fit the topic's schema. */
  encode<Topic extends TopicName>(topic: Topic, value: TopicValues[Topic]): Uint8Array;
  /** Frames what is Avro binary of the topic's schema already. */
  frame(topic: TopicName, encoded: Uint8Array): Uint8Array;
  /** Takes off the frame and decodes, in time proportional to the bytes, whatever they are. Throws `RecordError`. */
  decode<Topic extends TopicName>(topic: Topic, bytes: Uint8Array, place: RecordPlace): TopicValues[Topic];
  /**
   * Takes off the frame: Avro binary of the topic's schema, for those who need no value in memory. Throws `RecordError` where
   * `decode` does.
   */
  unframe(topic: TopicName, bytes: Uint8Array, place: RecordPlace): Uint8Array;
  /**
   * Fetches the schemas that `decode` and `unframe` will need for these values of one topic and does not have; `undefined` where it has
   * them all. Rejects with `SCHEMA_REGISTRY_FAILED` where the registry cannot be asked: then nobody knows what the values are.
   */
  prepare(topic: TopicName, values: Iterable<Uint8Array | undefined>): Promise<void> | undefined;
}

/** A reader, or why there is none. */
type ReaderOrReason = ValueReader | string;

interface TopicFormat {
  readonly topic: TopicName;
  readonly schemas: TopicSchemas;
  /** Of values of the present schema. */
  readonly header: Uint8Array;
  readonly byId: Map<number, ReaderOrReason>;
}

/** Writes Avro single-object encoding: the format of the embedded and the memory log, and of Kafka without a registry. */
export function createSingleObjectFormat(): WireFormat {
  return createFormat(undefined);
}

/** Writes Confluent's wire format with the ids of `registered`, and reads what any schema registered for a topic has written. */
export function createConfluentFormat(registered: RegisteredSchemas): WireFormat {
  return createFormat(registered);
}

function createFormat(registered: RegisteredSchemas | undefined): WireFormat {
  const formats = new Map<TopicName, TopicFormat>();
  // A topic's fingerprint is computed when it is first used.
  const of = (topic: TopicName): TopicFormat => {
    let format = formats.get(topic);
    if (format === undefined) {
      const schemas = new TopicSchemas(topic);
      const header = singleObjectHeader(schemas.fingerprint);
      format = { topic, schemas, header, byId: new Map() };
      formats.set(topic, format);
    }
    return format;
  };
  const headers = new Map<TopicName, Uint8Array>();
  const headerToWrite = (topic: TopicName): Uint8Array => {
    let header = headers.get(topic);
    if (header === undefined) {
      header = registered === undefined ? of(topic).header : confluentHeader(registered.idOf(topic));
      headers.set(topic, header);
    }
    return header;
  };
  const frame = (topic: TopicName, encoded: Uint8Array): Uint8Array => {
    const header = headerToWrite(topic);
    const framed = new Uint8Array(header.length + encoded.length);
    framed.set(header);
    framed.set(encoded, header.length);
    return framed;
  };
  return {
    frame,
    encode: (topic, value) => frame(topic, encode(topic, of(topic).schemas.type, value)),
    decode: <Topic extends TopicName>(topic: Topic, bytes: Uint8Array, place: RecordPlace) =>
      decode(of(topic), registered, bytes, place) as TopicValues[Topic],
    unframe: (topic, bytes, place) => unframe(of(topic), registered, bytes, place),
    prepare: (topic, values) => {
      if (registered === undefined) return undefined;
      for (const value of values) {
        const id = value === undefined ? undefined : confluentIdOf(value);
        if (id !== undefined && registered.typeOf(topic, id) === undefined) return registered.refresh(topic);
      }
      return undefined;
    },
  };
}

function singleObjectHeader(fingerprint: bigint): Uint8Array {
  const header = new Uint8Array(singleObjectHeaderBytes);
  header.set([0xc3, 0x01]);
  new DataView(header.buffer).setBigUint64(2, fingerprint, true);
  return header;
}

function confluentHeader(id: number): Uint8Array {
  const header = new Uint8Array(confluentHeaderBytes);
  new DataView(header.buffer).setUint32(1, id);
  return header;
}

/** `undefined` where the value is not in Confluent's wire format. */
function confluentIdOf(bytes: Uint8Array): number | undefined {
  if (bytes[0] !== 0 || bytes.length < confluentHeaderBytes) return undefined;
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(1);
}

function encode(topic: TopicName, type: avro.Type, value: unknown): Uint8Array {
  try {
    return type.toBuffer(value);
  } catch (cause) {
    throw new TypeError(`a value for ${topic} does not fit its schema: ${String(cause)}`, { cause });
  }
}

function decode(
  format: TopicFormat,
  registered: RegisteredSchemas | undefined,
  bytes: Uint8Array,
  place: RecordPlace,
): unknown {
  const unreadable = (reason: string, bytePosition: number | undefined, cause?: unknown): RecordError =>
    new RecordError(reason, { ...place, bytes, bytePosition, cause });
  const found = findReader(format, registered, bytes);
  if ('reason' in found) throw unreadable(found.reason, found.bytePosition);
  const { reader, start } = found;
  try {
    const end = reader.check(bytes, start);
    if (end !== bytes.length) throw new MalformedAvro(`${bytes.length - end} bytes follow the value`, end);
    return reader.decode(bytes.subarray(start));
  } catch (cause) {
    // What the check let pass avsc may still refuse: a long beyond 2^53 where a number is expected.
    if (cause instanceof MalformedAvro) throw unreadable(cause.message, cause.bytePosition, cause);
    throw unreadable(String(cause), undefined, cause);
  }
}

function unframe(
  format: TopicFormat,
  registered: RegisteredSchemas | undefined,
  bytes: Uint8Array,
  place: RecordPlace,
): Uint8Array {
  const found = findReader(format, registered, bytes);
  if ('reader' in found && found.reader === format.schemas.current && isValue(format, bytes, found.start)) {
    return bytes.subarray(found.start);
  }
  // Not as this version writes it: what can be read all the same is made so, and else the error tells why not.
  return encode(place.topic, format.schemas.type, decode(format, registered, bytes, place));
}

function isValue({ schemas }: TopicFormat, bytes: Uint8Array, start: number): boolean {
  try {
    return schemas.checkValue(bytes, start) === bytes.length;
  } catch (error) {
    if (error instanceof MalformedAvro) return false;
    throw error;
  }
}

/** What reads the value and where it starts; or why nothing does, and the byte that says so. */
function findReader(
  format: TopicFormat,
  registered: RegisteredSchemas | undefined,
  bytes: Uint8Array,
):
  | { readonly reader: ValueReader; readonly start: number }
  | { readonly reason: string; readonly bytePosition: number } {
  const { header, schemas } = format;
  if (beginsWith(bytes, header)) return { reader: schemas.current, start: header.length };
  if (bytes[0] === 0xc3 && bytes[1] === 0x01 && bytes.length >= singleObjectHeaderBytes) {
    const fingerprint = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(2, true);
    const reader = schemas.readerOf(fingerprint);
    if (reader === undefined) return { reason: unknownSchema(fingerprint), bytePosition: 2 };
    return { reader, start: singleObjectHeaderBytes };
  }
  const id = confluentIdOf(bytes);
  if (id === undefined) {
    const reason = "it begins neither as Avro single-object encoding nor as Confluent's wire format does";
    return { reason, bytePosition: 0 };
  }
  const reader = readerOfId(format, registered, id);
  return typeof reader === 'string' ? { reason: reader, bytePosition: 1 } : { reader, start: confluentHeaderBytes };
}

function beginsWith(bytes: Uint8Array, header: Uint8Array): boolean {
  for (let position = 0; position < header.length; position++) {
    if (bytes[position] !== header[position]) return false;
  }
  return true;
}

function readerOfId(format: TopicFormat, registered: RegisteredSchemas | undefined, id: number): ReaderOrReason {
  const known = format.byId.get(id);
  if (known !== undefined) return known;
  if (registered === undefined) return `it has the schema id ${id} of a registry, and none is configured`;
  const { topic, schemas } = format;
  const writer = registered.typeOf(topic, id);
  // Not kept: it may yet be registered.
  if (writer === undefined) return `its schema id ${id} is of no version of ${registered.subjectOf(topic)}`;
  const reader = 'unusable' in writer ? unusable(id, writer.unusable) : resolved(schemas, id, writer);
  format.byId.set(id, reader);
  return reader;
}

function resolved(schemas: TopicSchemas, id: number, writer: avro.Type): ReaderOrReason {
  try {
    return schemas.readerFor(writer);
  } catch (error) {
    return unusable(id, String(error));
  }
}

function unusable(id: number, reason: string): string {
  return `the schema with id ${id} cannot be read as this version's: ${printable(reason).slice(0, maxReasonCharacters)}`;
}

function unknownSchema(fingerprint: bigint): string {
  return (
    `it was written with a schema that this version does not know, of fingerprint ${fingerprint.toString(16).padStart(16, '0')}; ` +
    'a version at least as new as the one that wrote it can read it'
  );
}
