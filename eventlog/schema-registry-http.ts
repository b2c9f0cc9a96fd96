import { printable } from '../runtime/printable.ts';
import { retry } from '../runtime/retry.ts';
import { SchemaRegistryError } from './errors.ts';

export interface SchemaRegistryOptions {
  /** Base of Confluent's HTTP API, http or https; with Apicurio it ends in `/apis/ccompat/v7`. */
  readonly url: string;
  /** Of HTTP basic authentication; an API key with Confluent Cloud. */
  readonly credentials?: { readonly username: string; readonly password: string } | undefined;
  /** How long one answer may take, whole, in milliseconds. Default 10,000. */
  readonly timeoutMs?: number;
  /** How often a request is made that may yet succeed. Default 5, over some seconds. */
  readonly maxAttempts?: number;
}

/** What the registry answered: 2xx, or a 4xx with an error of its API. */
export interface RegistryAnswer {
  readonly status: number;
  /** The body, from JSON: hostile until looked at. */
  readonly body: unknown;
  /** `error_code` of the API, such as 40401; `undefined` where the status is 2xx. */
  readonly errorCode: number | undefined;
  /** What the registry says of an error, printable and not too long. */
  readonly message: string;
}

/** Our largest schema has 30 KB. What answers with more than this is no registry. */
const maxAnswerBytes = 4 << 20;
/** Of a registry's words in a message of ours. */
const maxMessageCharacters = 500;
const defaultTimeoutMs = 10_000;
const defaultMaxAttempts = 5;
const firstDelayMs = 200;
const maxDelayMs = 2000;

/** Statuses after which the same request may succeed: too many of them, or something on the way is down. */
const retriableStatuses: readonly number[] = [408, 425, 429, 500, 502, 503, 504];

/** One registry's HTTP API: addresses, credentials, time limits, retries. What answers mean is SchemaRegistry's. */
export class SchemaRegistryHttp {
  /** Without credentials: for messages. */
  readonly url: string;
  readonly #options: SchemaRegistryOptions;
  readonly #headers: Readonly<Record<string, string>>;

  /** Throws `SCHEMA_REGISTRY_FAILED` where the options name no address that can be asked. */
  constructor(options: SchemaRegistryOptions) {
    this.url = baseOf(options.url);
    this.#options = options;
    const { credentials } = options;
    this.#headers = {
      accept: 'application/vnd.schemaregistry.v1+json, application/json',
      'content-type': 'application/vnd.schemaregistry.v1+json',
      ...(credentials === undefined ? {} : { authorization: basic(credentials) }),
    };
  }

  /**
   * Makes a request that may be made twice, until it has an answer. Throws `SCHEMA_REGISTRY_FAILED`, retriable where the
   * registry cannot be reached. `doing` says what for, as in “register the schema of S”.
   */
  request(
    request: {
      readonly method: 'GET' | 'POST';
      readonly path: string;
      readonly body?: unknown;
      readonly doing: string;
    },
    signal: AbortSignal,
  ): Promise<RegistryAnswer> {
    return retry(() => this.#attempt(request, signal), {
      firstDelayMs,
      maxDelayMs,
      maxAttempts: this.#options.maxAttempts ?? defaultMaxAttempts,
      signal,
    });
  }

  async #attempt(request: Parameters<SchemaRegistryHttp['request']>[0], signal: AbortSignal): Promise<RegistryAnswer> {
    const timeoutMs = this.#options.timeoutMs ?? defaultTimeoutMs;
    const timeout = AbortSignal.timeout(timeoutMs);
    const doing = `cannot ${request.doing} at the registry ${this.url}`;
    try {
      const response = await fetch(`${this.url}${request.path}`, {
        method: request.method,
        headers: this.#headers,
        // Followed, a redirect would carry our credentials to whoever it names.
        redirect: 'manual',
        signal: AbortSignal.any([signal, timeout]),
        ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
      });
      return answerOf(response, await textOf(response, doing), doing);
    } catch (cause) {
      if (cause instanceof SchemaRegistryError) throw cause;
      signal.throwIfAborted();
      const reason = timeout.aborted ? `no answer within ${timeoutMs} ms` : reasonOf(cause);
      throw new SchemaRegistryError(`${doing}: ${reason}`, { cause, retriable: true });
    }
  }
}

function baseOf(address: string): string {
  const refused = (problem: string): SchemaRegistryError =>
    new SchemaRegistryError(`the address of the schema registry ${problem}`);
  if (!URL.canParse(address)) throw refused(`is no URL: ${printable(address)}`);
  const url = new URL(address);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw refused('must begin with http:// or https://');
  // An address stands in messages and logs.
  if (url.username !== '' || url.password !== '') throw refused('must not contain credentials: give them apart');
  if (url.search !== '' || url.hash !== '') throw refused('must have neither ? nor #');
  return url.href.replace(/\/+$/u, '');
}

/** RFC 7617, in UTF-8. */
function basic({ username, password }: { readonly username: string; readonly password: string }): string {
  return `Basic ${Buffer.from(`${username}:${password}`, 'utf8').toString('base64')}`;
}

/** The body; never more of it than a limit. */
async function textOf(response: Response, doing: string): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  // Node's streams are iterable; the type of the standard library does not say so of chunks.
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    bytes += chunk.length;
    if (bytes > maxAnswerBytes) {
      throw new SchemaRegistryError(`${doing}: its answer has more than ${maxAnswerBytes} bytes`, {
        status: response.status,
      });
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function answerOf(response: Response, text: string, doing: string): RegistryAnswer {
  const { status } = response;
  const body = jsonOf(text);
  const { error_code: code, message } = (typeof body === 'object' ? (body ?? {}) : {}) as Readonly<
    Record<string, unknown>
  >;
  const words = printable((typeof message === 'string' ? message : text).slice(0, maxMessageCharacters));
  if (status >= 200 && status < 300) {
    if (body !== undefined) return { status, body, errorCode: undefined, message: '' };
    throw new SchemaRegistryError(`${doing}: it answers with no JSON. ${whetherRegistry}`, { status });
  }
  const failed = (what: string, retriable = false): SchemaRegistryError =>
    new SchemaRegistryError(`${doing}: ${what}`, { status, retriable });
  if (status >= 300 && status < 400) {
    const location = printable(response.headers.get('location') ?? 'nowhere').slice(0, maxMessageCharacters);
    throw failed(`it redirects to ${location}, which is not followed; give that address instead`);
  }
  if (status === 401 || status === 403) {
    throw failed(`it refuses the credentials, or these may not do that (status ${status}): ${words}`);
  }
  if (retriableStatuses.includes(status)) throw failed(`it answers with status ${status}: ${words}`, true);
  // Where there is no such path, servers give the status again as the code, or no JSON at all.
  if (typeof code !== 'number' || (status === 404 && code === 404)) {
    throw failed(`it answers with status ${status}: ${words}. ${whetherRegistry}`);
  }
  return { status, body, errorCode: code, message: words };
}

const whetherRegistry = "Is it the base of Confluent's API (with Apicurio …/apis/ccompat/v7)?";

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // Said by whoever needs JSON: an error page is of use as it is.
    return undefined;
  }
}

/** fetch says “fetch failed” and hides why in the cause. */
function reasonOf(thrown: unknown): string {
  const cause = thrown instanceof Error && thrown.cause instanceof Error ? thrown.cause : thrown;
  if (cause instanceof AggregateError) return reasonOf(cause.errors[0]);
  return printable(cause instanceof Error ? cause.message : String(cause));
}
