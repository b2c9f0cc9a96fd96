import { once } from 'node:events';
import { createServer, connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import { HttpInterface, type HttpLimits, type RequestRunner } from '../../sink/engine/http-interface.ts';
import { eventually } from '../support/eventually.ts';

/** Short where the test waits for it, endless where something else has to come first. */
const short = 400;
const endless = 600_000;
const limits: HttpLimits = {
  headTimeoutMs: endless,
  bodyTimeoutMs: endless,
  stallTimeoutMs: endless,
  maxConnections: 3,
};
const tokens = { token: 'full', readerToken: 'part' };

/** Answers everything with `bytes`: what is asked here is when a connection ends, not what a query gives. */
function answering(bytes: Uint8Array): RequestRunner {
  const answer = {
    bytes,
    format: 'TabSeparated',
    readRows: 0,
    readBytes: 0,
    writtenRows: 0,
    writtenBytes: 0,
    elapsedNs: 0,
  };
  return { runAsOwner: () => Promise.resolve(answer), runAsReader: () => Promise.resolve(answer) };
}

interface Served {
  readonly port: number;
  /** Waits until the server has no connection any more. */
  readonly deserted: () => Promise<void>;
}

async function serve(
  t: ExecutionContext,
  changed: Partial<HttpLimits>,
  bytes: Uint8Array = Buffer.from('1\n'),
): Promise<Served> {
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const http = new HttpInterface(answering(bytes), { tokens, port: address.port, limits: { ...limits, ...changed } });
  server.on('connection', (socket) => {
    http.accept(socket);
  });
  t.teardown(() => {
    http.close();
    server.close();
  });
  const connections = promisify(server.getConnections.bind(server));
  return {
    port: address.port,
    deserted: () =>
      eventually('no connection', async () => ((await connections()) === 0 ? true : undefined)).then(() => undefined),
  };
}

/** A connection, and how long it lived, in milliseconds. */
function open(port: number): {
  readonly socket: Socket;
  readonly closed: Promise<void>;
  readonly received: () => string;
} {
  const socket = connect(port, '127.0.0.1');
  let text = '';
  socket.setEncoding('latin1').on('data', (chunk: string) => (text += chunk));
  socket.on('error', () => undefined);
  const closed = new Promise<void>((resolve) => {
    socket.once('close', () => {
      resolve();
    });
  });
  return { socket, closed, received: () => text };
}

const head = (port: number, length: number): string =>
  `POST / HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nX-ClickHouse-User: reader\r\nX-ClickHouse-Key: part\r\nContent-Length: ${length}\r\n\r\n`;

async function drip(socket: Socket, byte: string): Promise<void> {
  while (!socket.destroyed) {
    socket.write(byte);
    await sleep(50);
  }
}

test('a connection that sends nothing is closed', async (t) => {
  const { port } = await serve(t, { headTimeoutMs: short });
  const { closed } = open(port);
  await closed;
  t.pass();
});

test('a head that comes byte by byte is cut off, however steadily it comes', async (t) => {
  const { port } = await serve(t, { headTimeoutMs: short });
  const { socket, closed, received } = open(port);
  socket.write('GET /ping HTTP/1.1\r\nX: ');
  void drip(socket, 'x');
  await closed;
  t.is(received(), '');
});

test('a body that comes byte by byte is cut off, however steadily it comes', async (t) => {
  const { port } = await serve(t, { bodyTimeoutMs: short });
  const { socket, closed, received } = open(port);
  socket.write(head(port, 100_000));
  void drip(socket, 'x');
  await closed;
  t.false(received().includes('200 OK'));
});

test('an answer that nobody takes is not kept for ever', async (t) => {
  const { port, deserted } = await serve(t, { stallTimeoutMs: short }, Buffer.alloc(32 * 2 ** 20, 0x78));
  const { socket, closed } = open(port);
  socket.pause();
  socket.write(head(port, 1) + 'x');
  await once(socket, 'connect');
  await deserted();
  // Reading on ends at what the kernel held: the other side is gone.
  let bytes = 0;
  socket.on('data', (chunk: string) => (bytes += chunk.length));
  socket.resume();
  await closed;
  t.true(bytes < 32 * 2 ** 20);
});

test('a connection is used again, and closed when nothing more comes', async (t) => {
  // Where the machine is too slow to ask in time the connection is closed before: then with more time, again.
  for (let headTimeoutMs = short; ; headTimeoutMs *= 4) {
    const { port } = await serve(t, { headTimeoutMs });
    const { socket, closed, received } = open(port);
    const answers = (): number => received().match(/200 OK/gu)?.length ?? 0;
    for (let asked = 1; asked <= 3 && !socket.destroyed; asked++) {
      socket.write(head(port, 1) + 'x');
      await eventually(`answer ${asked}`, () => (answers() === asked || socket.destroyed ? true : undefined));
    }
    await closed;
    if (answers() < 3) continue;
    t.is(answers(), 3);
    return;
  }
});

test('connections beyond the limit are closed at once, and their places are free again later', async (t) => {
  const { port, deserted } = await serve(t, {});
  const answer = async ({ socket, received }: ReturnType<typeof open>) => {
    socket.write(head(port, 1) + 'x');
    await eventually('an answer', () => (received().includes('200 OK') ? true : undefined));
  };
  const first = Array.from({ length: 3 }, () => open(port));
  await Promise.all(first.map(answer));
  await open(port).closed;
  for (const { socket } of first) socket.destroy();
  await Promise.all(first.map(({ closed }) => closed));
  await deserted();
  await answer(open(port));
  t.pass();
});
