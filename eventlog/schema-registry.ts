import { SchemaRegistryError } from './errors.ts';
import { SchemaRegistryHttp, type RegistryAnswer, type SchemaRegistryOptions } from './schema-registry-http.ts';

/** A version of a subject. */
export interface RegisteredVersion {
  /** What stands in front of values: the same for the same schema, under whatever subject. */
  readonly id: number;
  /** JSON, as it was registered. Hostile until it is parsed. */
  readonly schema: string;
}

/** Codes of the API: https://docs.confluent.io/platform/current/schema-registry/develop/api.html */
const subjectNotFound = 40401;
const versionNotFound = 40402;
const schemaNotFound = 40403;

/** Ids are four bytes in front of a value, read as a signed number by Confluent's clients. */
const maxId = 2 ** 31 - 1;

/**
 * What we need of a schema registry, by the HTTP API of Confluent's, which others have as well (Apicurio, Karapace,
 * Redpanda). Every method throws `SCHEMA_REGISTRY_FAILED`; what may pass has been tried again by then.
 */
export class SchemaRegistry {
  readonly #http: SchemaRegistryHttp;

  constructor(options: SchemaRegistryOptions) {
    this.#http = new SchemaRegistryHttp(options);
  }

  /** Where it is, for messages. */
  get url(): string {
    return this.#http.url;
  }

  /** Makes `schema` a version of the subject unless it is one, and returns its id. */
  async register(subject: string, schema: string, signal: AbortSignal): Promise<number> {
    const doing = `register the schema of ${subject}`;
    const answer = await this.#http.request(
      { method: 'POST', path: `/subjects/${encodeURIComponent(subject)}/versions`, body: { schema }, doing },
      signal,
    );
    if (answer.status === 409) throw await this.#incompatible(subject, answer, signal);
    return this.#idIn(this.#expected(answer, doing), doing);
  }

  /** The id of `schema` under the subject, where somebody has registered it. */
  async lookUp(subject: string, schema: string, signal: AbortSignal): Promise<number> {
    const doing = `look up the schema of ${subject}`;
    const answer = await this.#http.request(
      { method: 'POST', path: `/subjects/${encodeURIComponent(subject)}`, body: { schema }, doing },
      signal,
    );
    if (answer.errorCode === subjectNotFound || answer.errorCode === schemaNotFound) {
      throw new SchemaRegistryError(
        `${subject} has no such schema at the registry ${this.url}, and this process may not register it: ` +
          'have it registered first, by a process that may, or allow it here',
        { status: answer.status },
      );
    }
    return this.#idIn(this.#expected(answer, doing), doing);
  }

  /** The subject's versions in ascending order, deleted ones too: values may have been written with them. */
  async versionsOf(subject: string, signal: AbortSignal): Promise<readonly number[]> {
    const doing = `list the versions of ${subject}`;
    const path = `/subjects/${encodeURIComponent(subject)}/versions?deleted=true`;
    const answer = await this.#http.request({ method: 'GET', path, doing }, signal);
    if (answer.errorCode === subjectNotFound) return [];
    const body = this.#expected(answer, doing);
    if (!Array.isArray(body) || !body.every(isPositive)) throw this.#meaningless(doing, 'an array of versions');
    return body.sort((first, second) => first - second);
  }

  /** `undefined` where the version has gone meanwhile. */
  async version(subject: string, version: number, signal: AbortSignal): Promise<RegisteredVersion | undefined> {
    const doing = `read version ${version} of ${subject}`;
    const path = `/subjects/${encodeURIComponent(subject)}/versions/${version}?deleted=true`;
    const answer = await this.#http.request({ method: 'GET', path, doing }, signal);
    if (answer.errorCode === subjectNotFound || answer.errorCode === versionNotFound) return undefined;
    const body = this.#expected(answer, doing);
    const { schema } = body as Readonly<Record<string, unknown>>;
    if (typeof schema !== 'string') throw this.#meaningless(doing, 'a schema');
    return { id: this.#idIn(body, doing), schema };
  }

  /** In plain words, with what the registry tells when it is asked. */
  async #incompatible(subject: string, answer: RegistryAnswer, signal: AbortSignal): Promise<SchemaRegistryError> {
    const latest = await this.#told(`/subjects/${encodeURIComponent(subject)}/versions/latest`, 'version', signal);
    const level =
      (await this.#told(`/config/${encodeURIComponent(subject)}`, 'compatibilityLevel', signal)) ??
      (await this.#told('/config', 'compatibilityLevel', signal));
    return new SchemaRegistryError(
      `the registry ${this.url} refuses the schema of ${subject}: it is not compatible with ` +
        `${latest === undefined ? 'what is registered' : `version ${latest}`} under ` +
        `${level === undefined ? 'the compatibility that it asks for' : `compatibility ${level}`}. ` +
        `It says: ${answer.message}. Either a newer version of Palisade wrote there, then start that one; ` +
        'or the subject has a schema that is not of Palisade, then delete it from the registry',
      { status: answer.status },
    );
  }

  /** A fact for a message; `undefined` where it is not to be had, since the message is worth more than its details. */
  async #told(path: string, key: string, signal: AbortSignal): Promise<string | number | undefined> {
    try {
      const { body } = await this.#http.request({ method: 'GET', path, doing: 'ask' }, signal);
      const value = typeof body === 'object' && body !== null ? (body as Readonly<Record<string, unknown>>)[key] : '';
      return isPositive(value) || (typeof value === 'string' && /^[A-Z_]{1,40}$/u.test(value)) ? value : undefined;
    } catch (error) {
      if (error instanceof SchemaRegistryError) return undefined;
      throw error;
    }
  }

  /** The body of a 2xx; else throws. */
  #expected(answer: RegistryAnswer, doing: string): object {
    const { status, errorCode, body, message } = answer;
    if (errorCode !== undefined) {
      throw new SchemaRegistryError(
        `cannot ${doing} at the registry ${this.url}: it answers with status ${status}, code ${errorCode}: ${message}`,
        { status },
      );
    }
    if (typeof body !== 'object' || body === null) throw this.#meaningless(doing, 'an object');
    return body;
  }

  #idIn(body: object, doing: string): number {
    const { id } = body as Readonly<Record<string, unknown>>;
    if (!isPositive(id) || id > maxId) throw this.#meaningless(doing, 'an id');
    return id;
  }

  #meaningless(doing: string, expected: string): SchemaRegistryError {
    return new SchemaRegistryError(`cannot ${doing} at the registry ${this.url}: its answer is not ${expected}`);
  }
}

function isPositive(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0;
}
