import type avro from 'avsc';
import { avroTypeNamed, avroTypeOf, avroTypeWrittenAs } from '../schemas/avro-types.ts';
import { topicNames, type TopicName, type TopicValues } from '../schemas/topics.ts';
import { boundsCheckOf, longBytes, MalformedAvro, readLong, skipVarint, type BoundsCheck } from './avro-bounds.ts';
import { createCrc32c } from './crc32c.ts';
import { RecordError } from './errors.ts';
import type { LogRecord, TablePositions } from './event-log.ts';

/** What stands before the values: fields of `CaptureRecord`. */
interface Head {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly key: string;
  readonly timestampMs: number;
  readonly tablePositions: Readonly<Record<string, number>>;
}

interface Field {
  readonly name: string;
  readonly type: avro.Type;
  readonly check: BoundsCheck;
}

/** A record and where it ends. */
export interface ReadRecord {
  readonly record: LogRecord;
  readonly end: number;
}

/** Reads one record from `start` on. Throws `MalformedAvro`, or what avsc throws. */
export type RecordReader = (bytes: Buffer, start: number) => ReadRecord;

/** The last field of `CaptureRecord`: of the bytes before it. */
const checksumField = 'crc32c';

/** Bytes of a union's branch: null comes first in each of ours. */
const absent = Uint8Array.of(0);
const present = Uint8Array.of(2);

/** `raw-events` → `rawEvents`: the field of `CaptureRecord` that has a topic's values. */
export function fieldOfTopic(topic: TopicName): string {
  return topic.replace(/-[a-z]/gu, (letter) => letter.charAt(1).toUpperCase());
}

/**
 * `CaptureRecord` as bytes, by hand around the values: a topic's value stands in it as the topic has it, so that reading one
 * only checks its bounds and decodes nothing that nobody asks for.
 */
export class CaptureSchema {
  /** With documentation: what the file's header has. */
  readonly json: string;
  readonly #crc32c = createCrc32c();
  readonly #type: avro.Type;
  readonly #head: readonly Field[];
  readonly #values: readonly (Field & { readonly topic: TopicName })[];

  constructor() {
    this.#type = avroTypeNamed('CaptureRecord');
    this.json = JSON.stringify(this.#type.schema({ exportAttrs: true }));
    const topicOf = new Map(topicNames.map((topic) => [fieldOfTopic(topic), topic]));
    const all = fieldsOf(this.#type).map((field) => ({ ...field, topic: topicOf.get(field.name) }));
    this.#head = all.filter(({ name, topic }) => topic === undefined && name !== checksumField);
    this.#values = all.flatMap((field) => (field.topic === undefined ? [] : [{ ...field, topic: field.topic }]));
  }

  /** Throws what reading the record's value throws, and a TypeError where it does not fit the topic's schema. */
  encode(record: LogRecord): Uint8Array {
    const head = record as unknown as Readonly<Record<string, unknown>>;
    const parts: Uint8Array[] = this.#head.map(({ name, type }) => type.toBuffer(head[name]));
    const { topic, value } = record;
    for (const field of this.#values) {
      if (field.topic !== topic || value === undefined) parts.push(absent);
      // `topic` and `value` belong together; the compiler cannot see that.
      else parts.push(present, avroTypeOf(topic as 'raw-events').encode(value as TopicValues['raw-events']));
    }
    const checked = Buffer.concat(parts);
    return Buffer.concat([checked, longBytes(this.#crc32c(checked))]);
  }

  /**
   * A reader of what was written with the schema `json`: ours, or one of another release, which Avro's schema resolution makes
   * ours. Throws where it is no schema, or one that cannot be resolved.
   */
  readerOf(json: string): RecordReader {
    if (json === this.json) return (bytes, start) => this.#read(bytes, start);
    const writer = avroTypeWrittenAs(JSON.parse(json));
    const resolver = this.#type.createResolver(writer);
    const written = fieldsOf(writer);
    // What an older release wrote has none.
    const hasChecksum = written.at(-1)?.name === checksumField;
    const checked = hasChecksum ? written.slice(0, -1) : written;
    return (bytes, start) => {
      let end = start;
      for (const { check } of checked) end = check(bytes, end);
      if (hasChecksum) end = this.#verify(bytes, start, end);
      const fields = this.#type.fromBuffer(bytes.subarray(start, end), resolver) as Readonly<Record<string, unknown>>;
      return { record: this.#resolved(fields, start), end };
    };
  }

  /** A record that schema resolution has decoded whole. */
  #resolved(fields: Readonly<Record<string, unknown>>, start: number): LogRecord {
    const head = fields as unknown as Head;
    const topic = topicOf(head, start);
    for (const field of this.#values) {
      if (field.topic !== topic && fields[field.name] !== null) throw misplaced(topic, field.topic, start);
    }
    const value = fields[fieldOfTopic(topic)] ?? undefined;
    return recordOf(head, topic, () => value as LogRecord['value']);
  }

  #read(bytes: Buffer, start: number): ReadRecord {
    let end = start;
    const fields: Record<string, unknown> = {};
    for (const { name, type, check } of this.#head) {
      const fieldEnd = check(bytes, end);
      fields[name] = type.decode(bytes, end).value;
      end = fieldEnd;
    }
    const head = fields as unknown as Head;
    const topic = topicOf(head, start);
    let value: Uint8Array | undefined;
    for (const field of this.#values) {
      const valueEnd = field.check(bytes, end);
      if (readLong(bytes, end) === 1) {
        if (field.topic !== topic) throw misplaced(topic, field.topic, end);
        value = bytes.subarray(skipVarint(bytes, end), valueEnd);
      }
      end = valueEnd;
    }
    return {
      record: recordOf(head, topic, decoding(head, topic, value)),
      end: this.#verify(bytes, start, end),
    };
  }

  /** Where the checksum after the bytes from `start` to `end` ends. Throws `MalformedAvro` where it is not theirs. */
  #verify(bytes: Buffer, start: number, end: number): number {
    const afterChecksum = skipVarint(bytes, end);
    if (readLong(bytes, end) !== this.#crc32c(bytes.subarray(start, end))) {
      throw new MalformedAvro('its bytes do not match their checksum: the disk or the file was damaged', end);
    }
    return afterChecksum;
  }
}

/** Fields of a record type. Throws a TypeError where it is none. */
function fieldsOf(type: avro.Type): readonly Field[] {
  // avsc's declarations lack this property of record types.
  const { fields } = type as unknown as { readonly fields?: readonly Omit<Field, 'check'>[] };
  if (fields === undefined) throw new TypeError('it is not the schema of a record');
  return fields.map(({ name, type: fieldType }) => ({ name, type: fieldType, check: boundsCheckOf(fieldType) }));
}

function topicOf({ topic }: Head, position: number): TopicName {
  const known = topicNames.find((name) => name === topic);
  if (known === undefined) throw new MalformedAvro(`this version has no topic ${JSON.stringify(topic)}`, position);
  return known;
}

function misplaced(topic: TopicName, other: TopicName, position: number): MalformedAvro {
  return new MalformedAvro(`a record of ${topic} has a value of ${other}`, position);
}

/** Decodes `bytes` when it is first called; throws `RecordError` where they cannot be, each time. */
function decoding(head: Head, topic: TopicName, bytes: Uint8Array | undefined): () => LogRecord['value'] {
  let value: LogRecord['value'];
  let decoded = bytes === undefined;
  return () => {
    if (!decoded && bytes !== undefined) {
      try {
        value = avroTypeOf(topic).decode(bytes);
      } catch (cause) {
        // What the bounds let pass avsc may still refuse: a long beyond 2^53 where a number is expected.
        const { partition, offset } = head;
        throw new RecordError(String(cause), { topic, partition, offset, bytes, bytePosition: undefined, cause });
      }
      decoded = true;
    }
    return value;
  };
}

function recordOf(head: Head, topic: TopicName, valueOf: () => LogRecord['value']): LogRecord {
  const { partition, offset, key, timestampMs } = head;
  const record = {
    topic,
    partition,
    offset,
    key,
    timestampMs,
    // Tables that this version does not know stand in nobody's way.
    tablePositions: head.tablePositions as TablePositions,
    get value() {
      return valueOf();
    },
  };
  // `topic` and `value` belong together because the value is of the topic's field.
  return record as LogRecord;
}
