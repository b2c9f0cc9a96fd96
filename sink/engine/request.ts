import type { IncomingMessage } from 'node:http';
import { gunzipSync } from 'node:zlib';
import type { EngineRequest } from './executor.ts';
import { EngineException } from './exception.ts';

/** Largest body, as sent and once unpacked: an insert of 10,000 rows is about a third of it. */
export const maxBodyBytes = 64 * 2 ** 20;

/** Bytes of readers' bodies: a query's text, four bytes a character at most. */
export const maxQueryBodyBytes = 256 * 1024;

/** Reads a whole body. Throws EngineException (413) past `maxBytes`, which is also the bound of what is kept meanwhile. */
export async function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw tooLarge(maxBytes);
    chunks.push(chunk);
  }
  const body = Buffer.concat(chunks);
  const encoding = request.headers['content-encoding'];
  if (encoding === undefined || encoding === 'identity' || body.length === 0) return body;
  if (encoding !== 'gzip')
    throw new EngineException(48, 'NOT_IMPLEMENTED', 'Bodies may be compressed by gzip only.', { status: 415 });
  try {
    return gunzipSync(body, { maxOutputLength: maxBytes });
  } catch (error) {
    if (error instanceof RangeError) throw tooLarge(maxBytes);
    throw new EngineException(354, 'ZLIB_INFLATE_FAILED', 'The body is not valid gzip.', { status: 400, cause: error });
  }
}

function tooLarge(maxBytes: number): EngineException {
  return new EngineException(223, 'QUERY_IS_TOO_LARGE', `The body is larger than ${maxBytes} bytes.`);
}

/** Takes a request apart as ClickHouse's HTTP interface does: known names, `param_…`, and the rest are settings. */
export function parseRequest(
  search: URLSearchParams,
  body: Buffer,
): EngineRequest & { readonly queryId: string | undefined } {
  let query: string | undefined;
  let defaultFormat = 'TabSeparated';
  let queryId: string | undefined;
  const parameters: Record<string, string | null> = {};
  const settings: Record<string, string> = {};
  for (const [name, value] of search) {
    if (name === 'query') query = value;
    else if (name === 'query_id') queryId = value;
    else if (name === 'default_format') defaultFormat = word(name, value);
    else if (name === 'database') checkDatabase(value);
    else if (name.startsWith('param_')) parameters[word(name, name.slice('param_'.length))] = parameterValue(value);
    else if (refusedNames.has(name))
      throw new EngineException(48, 'NOT_IMPLEMENTED', `There is no ${name} here.`, { status: 400 });
    else settings[name] = value;
  }
  // Where the URL has no query, the body is the query; else it follows it, as the rows of an INSERT or as more text.
  return {
    query: query ?? textOf(body),
    body: query === undefined ? Buffer.alloc(0) : body,
    parameters,
    settings,
    defaultFormat,
    queryId,
  };
}

/** A query is text: what is no UTF-8 could read otherwise to the engine than to us. */
export function textOf(body: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body);
  } catch (error) {
    throw new EngineException(62, 'SYNTAX_ERROR', 'The query is not valid UTF-8.', { cause: error });
  }
}

/** Sessions would let one request change another; credentials belong in headers; one database, no roles. */
const refusedNames = new Set([
  'session_id',
  'session_check',
  'session_timeout',
  'user',
  'password',
  'role',
  'compress',
  'decompress',
]);

function checkDatabase(name: string): void {
  if (name !== 'default')
    throw new EngineException(81, 'UNKNOWN_DATABASE', 'The embedded engine has one database, `default`.');
}

function word(name: string, value: string): string {
  if (/^[A-Za-z_][A-Za-z0-9_]{0,127}$/u.test(value)) return value;
  throw new EngineException(36, 'BAD_ARGUMENTS', `${name.slice(0, 32)} is not a name.`);
}

const escapes: Readonly<Record<string, string>> = {
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  0: '\0',
  "'": "'",
  '\\': '\\',
};

/** A parameter comes escaped as a field of TabSeparated (ClickHouse: HTTP interface, queries with parameters). */
function parameterValue(value: string): string | null {
  if (value === String.raw`\N`) return null;
  return value.replace(/\\(.)/gsu, (whole, character: string) => escapes[character] ?? whole);
}
