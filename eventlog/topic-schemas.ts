import type avro from 'avsc';
import { avroTypeOf, releasedTypesOf } from '../schemas/avro-types.ts';
import type { TopicName } from '../schemas/topics.ts';
import { boundsCheckOf, valueCheckOf, type BoundsCheck } from './avro-bounds.ts';
import { fingerprintOf } from './fingerprint.ts';

/** Reads a topic's values as one schema writes them. */
export interface ValueReader {
  /** Of the bytes as they were written; before `decode`. */
  readonly check: BoundsCheck;
  /** A value of the topic's present schema. Throws what avsc throws. */
  readonly decode: (bytes: Uint8Array) => unknown;
}

/** The schemas that a topic's values may have been written with: the present one, and by Avro's schema resolution others. */
export class TopicSchemas {
  readonly type: avro.Type;
  /** Of the present schema. */
  readonly fingerprint: bigint;
  readonly current: ValueReader;
  /** That bytes are a value of the present schema, which then need not be decoded to know that they can be. */
  readonly checkValue: BoundsCheck;
  readonly #topic: TopicName;
  /** Made when a value of another schema is first met: most logs have none. */
  #released: ReadonlyMap<bigint, ValueReader> | undefined;

  constructor(topic: TopicName) {
    const avroType = avroTypeOf(topic);
    this.#topic = topic;
    this.type = avroType.type;
    this.fingerprint = fingerprintOf(this.type);
    this.checkValue = valueCheckOf(this.type);
    this.current = { check: boundsCheckOf(this.type), decode: (bytes) => avroType.decode(bytes) };
  }

  /** `undefined` where neither this version nor a release before it wrote the topic's values with such a schema. */
  readerOf(fingerprint: bigint): ValueReader | undefined {
    if (fingerprint === this.fingerprint) return this.current;
    this.#released ??= new Map(
      releasedTypesOf(this.#topic).map(({ type }) => [fingerprintOf(type), this.readerFor(type)]),
    );
    return this.#released.get(fingerprint);
  }

  /** Throws avsc's error where values of `writer` cannot be read as the topic's (Avro 1.11, "Schema Resolution"). */
  readerFor(writer: avro.Type): ValueReader {
    if (fingerprintOf(writer) === this.fingerprint) return this.current;
    const resolver = this.type.createResolver(writer);
    return {
      check: boundsCheckOf(writer),
      decode: (bytes) =>
        this.type.fromBuffer(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), resolver) as unknown,
    };
  }
}
