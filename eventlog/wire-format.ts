import type avro from 'avsc';
import type { TopicName, TopicValues } from '../schemas/topics.ts';
import { MalformedAvro } from './avro-bounds.ts';
import { RecordError } from './errors.ts';
import { TopicSchemas, type ValueReader } from './topic-schemas.ts';

/*
 * Avro single-object encoding (Avro 1.11 specification, "Single-object encoding"):
 *
 *     byte   0    1    2 ............ 9   10 ...
 *          0xC3 0x01  fingerprint, LE     the value, binary encoding
 *
 * The fingerprint is CRC-64-AVRO of the schema's parsing canonical form.
 */
const headerBytes = 10;

/** Where a value was read, for the error that names it. */
export interface RecordPlace {
  readonly topic: TopicName;
  readonly partition: number;
  readonly offset: number;
}

/** How values cross a log. Another framing (Kafka's, with a registry's ids) is another object of this shape. */
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
}

interface TopicFormat {
  readonly schemas: TopicSchemas;
  /** Of values of the present schema. */
  readonly header: Uint8Array;
}

/** The format of the embedded and the memory log. A topic's fingerprint is computed when it is first used. */
export function createSingleObjectFormat(): WireFormat {
  const formats = new Map<TopicName, TopicFormat>();
  const of = (topic: TopicName): TopicFormat => {
    let format = formats.get(topic);
    if (format === undefined) {
      format = formatOf(topic);
      formats.set(topic, format);
    }
    return format;
  };
  const frame = (topic: TopicName, encoded: Uint8Array): Uint8Array => {
    const framed = new Uint8Array(headerBytes + encoded.length);
    framed.set(of(topic).header);
    framed.set(encoded, headerBytes);
    return framed;
  };
  return {
    frame,
    encode: (topic, value) => frame(topic, encode(topic, of(topic).schemas.type, value)),
    decode: <Topic extends TopicName>(topic: Topic, bytes: Uint8Array, place: RecordPlace) =>
      decode(of(topic), bytes, place) as TopicValues[Topic],
    unframe: (topic, bytes, place) => unframe(of(topic), bytes, place),
  };
}

function formatOf(topic: TopicName): TopicFormat {
  const schemas = new TopicSchemas(topic);
  const header = new Uint8Array(headerBytes);
  header.set([0xc3, 0x01]);
  new DataView(header.buffer).setBigUint64(2, schemas.fingerprint, true);
  return { schemas, header };
}

function encode(topic: TopicName, type: avro.Type, value: unknown): Uint8Array {
  try {
    return type.toBuffer(value);
  } catch (cause) {
    throw new TypeError(`a value for ${topic} does not fit its schema: ${String(cause)}`, { cause });
  }
}

function decode(format: TopicFormat, bytes: Uint8Array, place: RecordPlace): unknown {
  const unreadable = (reason: string, bytePosition: number | undefined, cause?: unknown): RecordError =>
    new RecordError(reason, { ...place, bytes, bytePosition, cause });
  let reader: ValueReader | undefined = format.schemas.current;
  for (let position = 0; position < headerBytes; position++) {
    if (bytes[position] === format.header[position]) continue;
    if (position < 2 || bytes.length < headerBytes) {
      throw unreadable('it does not begin as Avro single-object encoding does', Math.min(position, bytes.length));
    }
    const fingerprint = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(2, true);
    reader = format.schemas.readerOf(fingerprint);
    if (reader === undefined) throw unreadable(unknownSchema(fingerprint), 2);
    break;
  }
  try {
    const end = reader.check(bytes, headerBytes);
    if (end !== bytes.length) throw new MalformedAvro(`${bytes.length - end} bytes follow the value`, end);
    return reader.decode(bytes.subarray(headerBytes));
  } catch (cause) {
    // What the check let pass avsc may still refuse: a long beyond 2^53 where a number is expected.
    if (cause instanceof MalformedAvro) throw unreadable(cause.message, cause.bytePosition, cause);
    throw unreadable(String(cause), undefined, cause);
  }
}

function unknownSchema(fingerprint: bigint): string {
  return (
    `it was written with a schema that this version does not know, of fingerprint ${fingerprint.toString(16).padStart(16, '0')}; ` +
    'a version at least as new as the one that wrote it can read it'
  );
}

function unframe(format: TopicFormat, bytes: Uint8Array, place: RecordPlace): Uint8Array {
  if (isValue(format, bytes)) return bytes.subarray(headerBytes);
  // Not as this version writes it: what can be read all the same is made so, and else the error tells why not.
  return encode(place.topic, format.schemas.type, decode(format, bytes, place));
}

function isValue({ header, schemas }: TopicFormat, bytes: Uint8Array): boolean {
  for (let position = 0; position < headerBytes; position++) if (bytes[position] !== header[position]) return false;
  try {
    return schemas.checkValue(bytes, headerBytes) === bytes.length;
  } catch (error) {
    if (error instanceof MalformedAvro) return false;
    throw error;
  }
}
