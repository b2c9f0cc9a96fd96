import { createServer, type Server, type Socket } from 'node:net';

/** Connections that may wait while the engine is restarted; those beyond are refused, and their clients try again. */
const maxHeld = 128;

/** How long one waits: a restart takes half a second, and clients give a request a minute. */
const holdTimeoutMs = 20_000;

/**
 * The engine's listening socket, on loopback, held by the process that outlives the engine. While there is no engine the
 * connections wait here; no other user of the machine can take the port in the meantime and be sent our rows.
 */
export class ConnectionGate {
  readonly port: number;
  readonly #server: Server;
  readonly #held = new Map<Socket, NodeJS.Timeout>();
  #give: ((socket: Socket) => void) | undefined;

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.port = port;
    server.on('connection', (socket) => {
      this.#arrived(socket);
    });
  }

  /** Listens on a free port of 127.0.0.1. */
  static async listen(): Promise<ConnectionGate> {
    // Paused: what a client sends stays in the kernel, for the process that will read it.
    const server = createServer({ pauseOnConnect: true, allowHalfOpen: true });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host: '127.0.0.1', port: 0 }, resolve);
    });
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('the listening socket has no port');
    return new ConnectionGate(server, address.port);
  }

  /** Passes on what waits, and from now on everything that comes. */
  open(give: (socket: Socket) => void): void {
    this.#give = give;
    for (const [socket, timer] of this.#held) {
      clearTimeout(timer);
      give(socket);
    }
    this.#held.clear();
  }

  /** Lets connections wait from now on. */
  hold(): void {
    this.#give = undefined;
  }

  /** Ends it for good. */
  close(): void {
    this.#server.close();
    for (const [socket, timer] of this.#held) {
      clearTimeout(timer);
      socket.destroy();
    }
    this.#held.clear();
  }

  #arrived(socket: Socket): void {
    // Whoever hangs up while waiting needs no answer.
    socket.on('error', () => socket.destroy());
    if (this.#give !== undefined) {
      this.#give(socket);
      return;
    }
    if (this.#held.size >= maxHeld) {
      socket.destroy();
      return;
    }
    const timer = setTimeout(() => {
      this.#held.delete(socket);
      socket.destroy();
    }, holdTimeoutMs);
    this.#held.set(socket, timer);
  }
}
