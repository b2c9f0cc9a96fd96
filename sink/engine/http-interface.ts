import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { authenticate, type Caller, type Tokens } from './credentials.ts';
import { EngineException, engineExceptionOf } from './exception.ts';
import type { EngineAnswer, EngineRequest } from './executor.ts';
import { maxBodyBytes, maxQueryBodyBytes, parseRequest, readBody } from './request.ts';

/** Runs requests; the engine, or something else with its manners. */
export interface RequestRunner {
  runAsOwner(request: EngineRequest): Promise<EngineAnswer>;
  runAsReader(request: EngineRequest): Promise<EngineAnswer>;
}

/** What the interface may spend on its callers. */
export interface HttpLimits {
  /** From the connection, or the last answer, to the next complete head. Idle connections end by it, too. */
  readonly headTimeoutMs: number;
  /** From the head to the end of the body. */
  readonly bodyTimeoutMs: number;
  /** Without a byte moving while an answer is being taken. */
  readonly stallTimeoutMs: number;
  readonly maxConnections: number;
}

/** 10 s is also what ClickHouse keeps an idle connection for. */
export const defaultHttpLimits: HttpLimits = {
  headTimeoutMs: 10_000,
  bodyTimeoutMs: 60_000,
  stallTimeoutMs: 60_000,
  maxConnections: 128,
};

/** Largest head of a request: a query of 64 KiB in the URL, each of its bytes written as %XX at worst of the usual text. */
const maxHeaderBytes = 128 * 1024;

/** Longest body of an error. Engine messages repeat the query. */
const maxErrorCharacters = 16 * 1024;

/**
 * ClickHouse's HTTP interface as far as @clickhouse/client needs it: ping, queries, inserts, parameters, gzip, error codes,
 * status and headers. No sessions. The sockets are given to it; it never listens by itself.
 *
 * A web page must not reach it through a browser, by DNS rebinding or by a form: the Host has to be this address, an
 * Origin must not be there, and every request but a ping needs a token in a header.
 */
export class HttpInterface {
  readonly #server: Server;
  readonly #runner: RequestRunner;
  readonly #tokens: Tokens;
  readonly #hosts: ReadonlySet<string>;
  readonly #limits: HttpLimits;
  readonly #sockets = new Set<Socket>();

  constructor(
    runner: RequestRunner,
    options: { readonly tokens: Tokens; readonly port: number; readonly limits: HttpLimits },
  ) {
    this.#runner = runner;
    this.#tokens = options.tokens;
    this.#hosts = new Set([`127.0.0.1:${options.port}`, `localhost:${options.port}`]);
    this.#limits = options.limits;
    this.#server = createServer({ maxHeaderSize: maxHeaderBytes, keepAlive: true }, (request, response) => {
      void this.#answer(request, response);
    });
  }

  /** Serves one accepted connection. */
  accept(socket: Socket): void {
    if (this.#sockets.size >= this.#limits.maxConnections) {
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    // Whoever hung up is not answered; the answer's own error says the same.
    socket.on('error', () => socket.destroy());
    this.#expectHead(socket);
    this.#server.emit('connection', socket);
    socket.resume();
  }

  /** Ends every connection. What runs goes on to its end in the engine. */
  close(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Until the next head is complete, a socket lives on a timer that nothing it sends can move. */
  #expectHead(socket: Socket): void {
    const timer = setTimeout(() => socket.destroy(), this.#limits.headTimeoutMs);
    const stop = () => {
      clearTimeout(timer);
    };
    socket.once('close', stop);
    this.#heads.set(socket, () => {
      stop();
      socket.off('close', stop);
    });
  }

  readonly #heads = new WeakMap<Socket, () => void>();

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { socket } = request;
    this.#heads.get(socket)?.();
    response.once('close', () => {
      if (!socket.destroyed) this.#expectHead(socket);
    });
    const target = splitTarget(request.url ?? '/');
    const queryId = queryIdOf(target.search.get('query_id'));
    response.setHeader('X-ClickHouse-Query-Id', queryId);
    response.setHeader('X-ClickHouse-Server-Display-Name', 'palisade');
    response.setHeader('X-ClickHouse-Timezone', 'UTC');
    // What a browser gets hold of in spite of all it must not take for a page.
    response.setHeader('X-Content-Type-Options', 'nosniff');
    response.setHeader('Cache-Control', 'no-store');
    try {
      this.#checkSource(request);
      if (target.path === '/ping' || (target.path === '/' && request.method === 'GET' && target.search.size === 0)) {
        response.setHeader('Content-Type', 'text/plain; charset=UTF-8');
        response.end('Ok.\n');
        return;
      }
      await this.#run(request, response, target, authenticate(request.headers, this.#tokens));
    } catch (error) {
      sendException(request, response, engineExceptionOf(error));
    }
  }

  #checkSource(request: IncomingMessage): void {
    if (!this.#hosts.has(request.headers.host ?? ''))
      throw new EngineException(497, 'ACCESS_DENIED', 'The Host header is not the address of this engine.');
    if (request.headers.origin !== undefined)
      throw new EngineException(497, 'ACCESS_DENIED', 'Requests from web pages are not answered.');
  }

  async #run(request: IncomingMessage, response: ServerResponse, target: Target, user: Caller): Promise<void> {
    if (target.path !== '/')
      throw new EngineException(1000, 'POCO_EXCEPTION', 'There is no such path. Use / for queries.', { status: 404 });
    if (request.method !== 'GET' && request.method !== 'POST')
      throw new EngineException(1000, 'POCO_EXCEPTION', 'Only GET and POST are answered.', { status: 405 });
    if (/^multipart\//iu.test(request.headers['content-type'] ?? ''))
      throw new EngineException(48, 'NOT_IMPLEMENTED', 'Multipart bodies are not taken.', { status: 415 });
    // A GET changes nothing, as on a server: it is run like a reader's.
    const asReader = user === 'reader' || request.method === 'GET';
    const body = await this.#readBody(request, asReader ? maxQueryBodyBytes : maxBodyBytes);
    const engineRequest = parseRequest(target.search, body);
    const answer = asReader
      ? await this.#runner.runAsReader(engineRequest)
      : await this.#runner.runAsOwner(engineRequest);
    const compressed = target.search.get('enable_http_compression') === '1' && acceptsGzip(request);
    this.#send(response, answer, compressed);
  }

  async #readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
    const timer = setTimeout(() => request.socket.destroy(), this.#limits.bodyTimeoutMs);
    try {
      return await readBody(request, maxBytes);
    } finally {
      clearTimeout(timer);
    }
  }

  #send(response: ServerResponse, answer: EngineAnswer, compressed: boolean): void {
    response.socket?.setTimeout(this.#limits.stallTimeoutMs, () => response.socket?.destroy());
    response.once('finish', () => response.socket?.setTimeout(0));
    response.setHeader('Content-Type', contentTypeOf(answer.format));
    response.setHeader('X-ClickHouse-Format', answer.format);
    response.setHeader('X-ClickHouse-Summary', JSON.stringify(summaryOf(answer)));
    if (compressed) response.setHeader('Content-Encoding', 'gzip');
    response.end(compressed ? gzipSync(answer.bytes) : answer.bytes);
  }
}

interface Target {
  readonly path: string;
  readonly search: URLSearchParams;
}

/** Cut by hand: a URL parser would take `//host/ping` for another host's path, and throws at `//[`. */
function splitTarget(target: string): Target {
  const mark = target.indexOf('?');
  return mark === -1
    ? { path: target, search: new URLSearchParams() }
    : { path: target.slice(0, mark), search: new URLSearchParams(target.slice(mark + 1)) };
}

function sendException(request: IncomingMessage, response: ServerResponse, exception: EngineException): void {
  response.statusCode = exception.status;
  response.setHeader('Content-Type', 'text/plain; charset=UTF-8');
  response.setHeader('X-ClickHouse-Exception-Code', String(exception.code));
  // A body that was not read to its end would be taken for the next request.
  if (!request.complete) response.setHeader('Connection', 'close');
  if (exception.code === 194) response.setHeader('WWW-Authenticate', 'Basic realm="ClickHouse"');
  response.end(shorten(exception.body));
}

/** Keeps both ends: the code is at one, the name at the other. */
function shorten(text: string): string {
  if (text.length <= maxErrorCharacters) return text;
  return `${text.slice(0, maxErrorCharacters / 2)} … ${text.slice(-maxErrorCharacters / 2)}`;
}

/** A query id is put into a header: what could not stand there is replaced by one of ours. */
function queryIdOf(given: string | null): string {
  return given !== null && /^[\w.:-]{1,128}$/u.test(given) ? given : randomUUID();
}

function acceptsGzip(request: IncomingMessage): boolean {
  return /\bgzip\b/u.test(request.headers['accept-encoding']?.toString() ?? '');
}

function contentTypeOf(format: string): string {
  if (/^JSON.*EachRow/u.test(format)) return 'application/x-ndjson; charset=UTF-8';
  if (format.startsWith('JSON')) return 'application/json; charset=UTF-8';
  if (format.startsWith('CSV')) return 'text/csv; charset=UTF-8; header=absent';
  if (/^(?:TSV|TabSeparated)/u.test(format)) return 'text/tab-separated-values; charset=UTF-8';
  if (/^(?:Native|RowBinary|Parquet)/u.test(format)) return 'application/octet-stream';
  return 'text/plain; charset=UTF-8';
}

function summaryOf(answer: EngineAnswer): Readonly<Record<string, string>> {
  return {
    read_rows: String(answer.readRows),
    read_bytes: String(answer.readBytes),
    written_rows: String(answer.writtenRows),
    written_bytes: String(answer.writtenBytes),
    total_rows_to_read: '0',
    result_rows: '0',
    result_bytes: String(answer.bytes.length),
    elapsed_ns: String(answer.elapsedNs),
  };
}
