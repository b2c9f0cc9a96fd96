import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { openCapture, whyNoKernelTests } from '../support/kernel-capture.ts';
import type { KernelEvent } from '../support/kernel-event.ts';
import { testProgram } from '../support/programs.ts';

const reason = whyNoKernelTests();
const kernelTest = reason === undefined ? test.serial : test.serial.skip;
if (reason !== undefined) console.log(`skipped: ${reason}`);

/** The event of the only connect of a program, and nothing else between its exec and its exit. */
async function onlyConnect(t: ExecutionContext, args: readonly string[]): Promise<KernelEvent> {
  const { events, stdout } = await openCapture(t).run(testProgram('connect'), args);
  t.deepEqual(
    events.map(({ operation }) => operation),
    ['exec', 'socket', 'connect', 'exit'],
    'and nothing else came',
  );
  const event = events[2];
  if (event === undefined) throw new Error('no event');
  t.is(event.returnValue, BigInt(stdout));
  t.is(event.syscall, 42n);
  return event;
}

async function listen(
  t: ExecutionContext,
  where: { readonly host: string } | { readonly path: string },
): Promise<number> {
  const server = createServer((socket) => socket.end());
  await new Promise<void>((resolve) => {
    server.listen('host' in where ? { port: 0, ...where } : where, resolve);
  });
  t.teardown(() => {
    server.close();
  });
  const address = server.address();
  return address === null || typeof address === 'string' ? 0 : address.port;
}

kernelTest('connect over TCP: family, type, protocol, address and port', async (t) => {
  const port = await listen(t, { host: '127.0.0.1' });
  const event = await onlyConnect(t, ['inet', 'stream', '127.0.0.1', String(port)]);
  t.like(event, {
    returnValue: 0n,
    addressFamily: 2n,
    socketType: 1n,
    protocol: 6n,
    port: BigInt(port),
    fileDescriptor: 3n,
  });
  t.is(event.strings.address, '\x7f\0\0\x01');
  t.is(event.strings.path, undefined);
});

kernelTest('connect that is refused carries the errno', async (t) => {
  const event = await onlyConnect(t, ['inet', 'stream', '127.0.0.1', '1']);
  t.like(event, { returnValue: -111n, addressFamily: 2n, port: 1n });
});

kernelTest('connect that has only begun carries EINPROGRESS', async (t) => {
  // 192.0.2.1 is for documentation (RFC 5737): no one answers. A machine without a route refuses at once.
  const event = await onlyConnect(t, ['inet', 'nonblock', '192.0.2.1', '80']);
  t.true([-115n, -101n].includes(event.returnValue));
  t.is(event.strings.address, '\xc0\0\x02\x01');
});

kernelTest('connect over UDP has its type and protocol', async (t) => {
  const event = await onlyConnect(t, ['inet', 'dgram', '127.0.0.1', '53']);
  t.like(event, { returnValue: 0n, socketType: 2n, protocol: 17n, port: 53n });
});

kernelTest('connect over IPv6 has sixteen bytes', async (t) => {
  const event = await onlyConnect(t, ['inet6', 'dgram', '::1', '53']);
  t.like(event, { addressFamily: 10n, port: 53n });
  t.is(event.strings.address, `${'\0'.repeat(15)}\x01`);
});

kernelTest('connect to a socket with a name has the path', async (t) => {
  const directory = mkdtempSync('/tmp/palisade-connect-');
  t.teardown(() => {
    rmSync(directory, { recursive: true });
  });
  const path = join(directory, 'socket');
  await listen(t, { path });
  const event = await onlyConnect(t, ['unix', 'stream', path]);
  t.like(event, { returnValue: 0n, addressFamily: 1n, socketType: 1n, protocol: 0n, port: 0n });
  t.is(event.strings.address, path);
});

kernelTest('connect to a path that ends where readable memory does has that path', async (t) => {
  const event = await onlyConnect(t, ['edge', 'stream', '/palisade/nobody']);
  t.like(event, { returnValue: -2n, addressFamily: 1n, socketType: 1n });
  t.is(event.strings.address, '/palisade/nobody');
});

kernelTest('connect to an abstract socket keeps the leading NUL', async (t) => {
  const event = await onlyConnect(t, ['abstract', 'stream', 'palisade-nobody']);
  t.is(event.returnValue, -111n);
  t.is(event.strings.address, '\0palisade-nobody');
});

kernelTest('connect that dissolves an association has no address', async (t) => {
  const event = await onlyConnect(t, ['unspec', 'dgram']);
  t.like(event, { addressFamily: 0n, port: 0n, socketType: 2n });
  t.is(event.strings.address, undefined);
});

kernelTest('connect on a descriptor that is none has the address and no type', async (t) => {
  const event = await onlyConnect(t, ['bad', 'stream', '127.0.0.1', '80']);
  t.like(event, { returnValue: -9n, fileDescriptor: 999n, socketType: 0n, addressFamily: 2n });
});
