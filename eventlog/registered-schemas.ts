import type avro from 'avsc';
import { avroTypeWrittenAs } from '../schemas/avro-types.ts';
import { selfContainedSchema } from '../schemas/self-contained.ts';
import type { TopicName } from '../schemas/topics.ts';
import type { SchemaRegistry } from './schema-registry.ts';

export interface RegisteredSchemasOptions {
  readonly registry: SchemaRegistry;
  /** Topics that this process writes: their present schemas have ids when it starts, so that encoding waits for nothing. */
  readonly written: readonly TopicName[];
  /** Whether this process may register a schema that is not there yet; else it is only looked up. */
  readonly mayRegister: boolean;
  /** Confluent's TopicNameStrategy, of the topic as Kafka has it. Default: `<topic>-value`. */
  readonly subjectOf?: (topic: TopicName) => string;
  /** Ends all waiting for the registry. */
  readonly signal: AbortSignal;
}

/** Of one subject; there is one for each schema that ever wrote its topic. Those before the last ones are not looked at. */
const maxVersions = 1000;

interface Subject {
  readonly name: string;
  readonly seenVersions: Set<number>;
  readonly typesById: Map<number, avro.Type | { readonly unusable: string }>;
  /** The reading of versions that goes on, or the last one. */
  refreshing: Promise<void>;
}

/**
 * The schemas of topics by the ids that a registry has given them. What a topic's values may be of is what is registered under
 * the topic's subject: an id that is not there costs one request a batch, however many of them somebody writes.
 */
export class RegisteredSchemas {
  readonly #options: RegisteredSchemasOptions;
  readonly #ids = new Map<TopicName, number>();
  readonly #subjects = new Map<TopicName, Subject>();

  /** Registers or looks up what is `written`. Throws `SCHEMA_REGISTRY_FAILED`. */
  static async open(options: RegisteredSchemasOptions): Promise<RegisteredSchemas> {
    const schemas = new RegisteredSchemas(options);
    const { registry, written, mayRegister, signal } = options;
    for (const topic of written) {
      const subject = schemas.subjectOf(topic);
      const schema = selfContainedSchema(topic);
      const id = mayRegister
        ? await registry.register(subject, schema, signal)
        : await registry.lookUp(subject, schema, signal);
      schemas.#ids.set(topic, id);
    }
    return schemas;
  }

  private constructor(options: RegisteredSchemasOptions) {
    this.#options = options;
  }

  subjectOf(topic: TopicName): string {
    return this.#options.subjectOf?.(topic) ?? `${topic}-value`;
  }

  /** Of the present schema. Throws where the topic is not among those `written`: that is a mistake in our own code. */
  idOf(topic: TopicName): number {
    const id = this.#ids.get(topic);
    if (id === undefined) throw new Error(`${topic} is written, and its schema was not registered at the start`);
    return id;
  }

  /** The schema that writes values of this id, or why it is of no use; `undefined` where none is known: `refresh`, then ask again. */
  typeOf(topic: TopicName, id: number): avro.Type | { readonly unusable: string } | undefined {
    return this.#subjects.get(topic)?.typesById.get(id);
  }

  /** Reads what has been registered for the topic since the last time. Throws `SCHEMA_REGISTRY_FAILED`. */
  async refresh(topic: TopicName): Promise<void> {
    let subject = this.#subjects.get(topic);
    if (subject === undefined) {
      const name = this.subjectOf(topic);
      subject = { name, seenVersions: new Set(), typesById: new Map(), refreshing: Promise.resolve() };
      this.#subjects.set(topic, subject);
    }
    const read = (): Promise<void> => this.#read(subject);
    // One that goes on may have asked before the version was there.
    subject.refreshing = subject.refreshing.then(read, read);
    await subject.refreshing;
  }

  async #read({ name, seenVersions, typesById }: Subject): Promise<void> {
    const { registry, signal } = this.#options;
    const versions = await registry.versionsOf(name, signal);
    for (const version of versions.slice(-maxVersions)) {
      if (seenVersions.has(version)) continue;
      const registered = await registry.version(name, version, signal);
      if (registered !== undefined) typesById.set(registered.id, usable(registered.schema));
      seenVersions.add(version);
    }
  }
}

function usable(schema: string): avro.Type | { readonly unusable: string } {
  try {
    return avroTypeWrittenAs(JSON.parse(schema));
  } catch (error) {
    // Somebody registered it, and values may have its id: they are dead letters that say so.
    return { unusable: String(error) };
  }
}
