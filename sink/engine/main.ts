/**
 * The embedded engine's process: chDB and the HTTP interface in front of it. Started by sink/embedded-clickhouse.ts, which
 * sends what it needs over the IPC channel and then hands it every accepted connection. It ends when its standard input
 * does, so that no orphan keeps the data locked after its parent was killed.
 */
import type { Socket } from 'node:net';
import { defaultHttpLimits, HttpInterface } from './http-interface.ts';
import { Executor } from './executor.ts';
import { becomeUser, confinement, firstInaccessible } from './privileges.ts';
import type { ConnectionMessage, EngineFailure, EngineMessage, StartMessage } from './protocol.ts';

/** How long what runs may take once the parent is gone or wants an end; after that the kernel ends it. */
const shutdownTimeoutMs = 4_000;

// Ctrl-C and a service manager signal the whole group; when this process ends is for its parent to say.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);

process.once('message', (message) => {
  // The channel's only other end is our own parent; the rest of the program is typed by what it sends.
  void serve(message as StartMessage);
});

async function serve(start: StartMessage): Promise<void> {
  let executor: Executor;
  try {
    // Everything is imported by now. From here on nothing needs root.
    if (start.runAs !== undefined) becomeUser(start.runAs);
    const inaccessible = firstInaccessible(start.directory);
    if (inaccessible !== undefined) {
      fail('inaccessible', `user ${process.getuid?.() ?? -1} has no access to ${inaccessible}`);
      return;
    }
    executor = await Executor.open(start.directory);
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    // The binding's own words for a directory that another process has open.
    fail(/Cannot lock file|Failed to create connection/u.test(text) ? 'locked' : 'other', text);
    return;
  }
  const { token, readerToken, port } = start;
  const http = new HttpInterface(executor, { tokens: { token, readerToken }, port, limits: defaultHttpLimits });
  process.on('message', ({ id }: ConnectionMessage, socket: Socket | undefined) => {
    tell({ kind: 'accepted', id });
    // A connection that was closed on its way here comes as undefined.
    if (socket !== undefined) http.accept(socket);
  });
  process.stdin.resume();
  process.stdin.once('end', () => {
    setTimeout(() => process.exit(1), shutdownTimeoutMs).unref();
    http.close();
    void executor[Symbol.asyncDispose]().finally(() => process.exit(0));
  });
  tell({ kind: 'ready', confinement: confinement() });
}

function fail(reason: EngineFailure, message: string): void {
  process.exitCode = 1;
  tell({ kind: 'failed', reason, message: message.slice(0, 2_000) });
  process.disconnect();
}

function tell(message: EngineMessage): void {
  process.send?.(message);
}
