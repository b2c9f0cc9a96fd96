import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { ExecutionContext } from 'ava';

/** What a request asked for. */
export interface SeenRequest {
  /** Method and path, as in `GET /config`. */
  readonly line: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

export interface HttpServer {
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  /** In the order of their coming. */
  readonly seen: readonly SeenRequest[];
}

/** A server on a port of its own that answers as `answer` says, or does not; it ends with the test. */
export async function httpServer(
  t: ExecutionContext,
  answer: (response: ServerResponse, request: SeenRequest) => void,
): Promise<HttpServer> {
  const seen: SeenRequest[] = [];
  const server = createServer((incoming, response) => {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => {
      const line = `${incoming.method ?? ''} ${incoming.url ?? ''}`;
      const request = { line, headers: incoming.headers, body: Buffer.concat(chunks).toString('utf8') };
      seen.push(request);
      answer(response, request);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return { url: `http://127.0.0.1:${port}`, seen };
}
