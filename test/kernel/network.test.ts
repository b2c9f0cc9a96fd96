import { mkdirSync, mkdtempSync, realpathSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { eventAddressSource, eventPathSource } from '../../collector/event-layout.ts';
import { whyNoKernelTests } from '../support/kernel-capture.ts';
import { networkStories, type NetworkEvent, type NetworkStep } from '../support/network-story.ts';
import { addressBytes, internetAddress, unixAddress } from '../support/socket-address.ts';

// socket, bind, listen, accept, accept4 and connect that succeed: every field of each event, against what getsockname and
// getpeername say.

const reason = whyNoKernelTests();
const kernelTest = reason === undefined ? test.serial : test.serial.skip;
if (reason !== undefined) console.log(`skipped: ${reason}`);
const networkStory = networkStories(test);

const [unix, inet, inet6, netlink, packet] = [1n, 2n, 10n, 16n, 17n];
const [stream, datagram, raw, sequenced] = [1n, 2n, 3n, 5n];
const [icmp, tcp, udp] = [1n, 6n, 17n];
const closeOnExec = 0o2000000n;
const nonblocking = 0o4000n;
const object = BigInt(eventPathSource.object);

/** An event of a socket with these properties; its address is from the socket itself. */
function of(addressFamily: bigint, socketType: bigint, protocol: bigint): (event: NetworkEvent) => NetworkEvent {
  return (event) => ({
    addressFamily,
    socketType,
    protocol,
    addressSource: BigInt(eventAddressSource.object),
    ...event,
  });
}

const made: NetworkEvent = { operation: 'socket', syscall: 41n };
const bound = (fileDescriptor: bigint): NetworkEvent => ({ operation: 'bind', syscall: 49n, fileDescriptor });
const listening = (fileDescriptor: bigint, backlog: bigint): NetworkEvent => ({
  operation: 'listen',
  syscall: 50n,
  fileDescriptor,
  flags: backlog,
});
const connected = (fileDescriptor: bigint): NetworkEvent => ({ operation: 'connect', syscall: 42n, fileDescriptor });
const accepted: NetworkEvent = { operation: 'accept', syscall: 43n, fileDescriptor: 3n };
const accepted4 = (flags: bigint): NetworkEvent => ({ ...accepted, syscall: 288n, flags });

interface Connection {
  readonly family: bigint;
  readonly clientFamily?: bigint;
  readonly listens: string;
  readonly calls: string;
}

/**
 * A server that listens on a port of the kernel's choice as descriptor 3, a client that waits and one that does not as 4 and 6,
 * what the server accepts of each as 5 and 7.
 */
function connections({ family, clientFamily = family, listens, calls }: Connection, compat: boolean): NetworkStep[] {
  const server = of(family, stream, tcp);
  const client = of(clientFamily, stream, tcp);
  const strings = { address: addressBytes(listens) };
  const clientSteps = (client_: bigint, flags: bigint, result: number): NetworkStep[] => [
    {
      step: `socket:${clientFamily}:${stream | flags}:6`,
      result: Number(client_),
      event: client({ ...made, flags }),
    },
    {
      step: `connect:${client_}:${internetAddress(calls)}@3`,
      result,
      event: (said) =>
        client({
          ...connected(client_),
          port: said('name:3').port,
          localPort: said(`name:${client_}`).port,
          strings: { address: addressBytes(calls), localAddress: said(`name:${client_}`).address },
        }),
    },
    { step: `name:${client_}` },
  ];
  const acceptStep = (step: string, result: number, client_: bigint, event: NetworkEvent): NetworkStep[] => [
    {
      step,
      result,
      event: (said) =>
        server({
          ...event,
          port: said(`name:${client_}`).port,
          localPort: said('name:3').port,
          strings: { address: said(`peer:${result}`).address, localAddress: said(`name:${result}`).address },
        }),
    },
    { step: `name:${result}` },
    { step: `peer:${result}` },
  ];
  return [
    ...(compat ? [{ step: 'compat' }] : []),
    {
      step: `socket:${family}:${stream | closeOnExec}:0`,
      result: 3,
      event: server({ ...made, flags: closeOnExec }),
    },
    {
      step: `bind:3:${internetAddress(listens)}`,
      result: 0,
      event: (said) => server({ ...bound(3n), port: said('name:3').port, strings }),
    },
    { step: 'name:3' },
    {
      step: 'listen:3:7',
      result: 0,
      event: (said) => server({ ...listening(3n, 7n), port: said('name:3').port, strings }),
    },
    ...clientSteps(4n, 0n, 0),
    // accept has no number of its own in the 32-bit table.
    ...(compat ? acceptStep('accept4:3:0', 5, 4n, accepted4(0n)) : acceptStep('accept:3', 5, 4n, accepted)),
    ...clientSteps(6n, nonblocking, -115),
    ...acceptStep(`accept4:3:${nonblocking}`, 7, 6n, accepted4(nonblocking)),
  ];
}

const ways: readonly (readonly [title: string, connection: Connection])[] = [
  ['IPv4', { family: inet, listens: '0.0.0.0', calls: '127.0.0.1' }],
  ['IPv6', { family: inet6, listens: '::', calls: '::1' }],
  ['IPv4 within IPv6', { family: inet6, listens: '::ffff:127.0.0.1', calls: '::ffff:127.0.0.1' }],
  ['IPv4 to a server of IPv6', { family: inet6, clientFamily: inet, listens: '::', calls: '127.0.0.1' }],
];
for (const [title, way] of ways) {
  kernelTest(`a connection by ${title}: the ports given, both ends on both sides`, async (t) => {
    await networkStory(t, connections(way, false));
  });
}

kernelTest('calls made the 32-bit way are told as their 64-bit twins', async (t) => {
  await networkStory(t, connections({ family: inet, listens: '127.0.0.1', calls: '127.0.0.1' }, true));
});

kernelTest(
  'datagrams: bound, connected, and no longer connected; a socket that is not bound is bound by its connect',
  async (t) => {
    const socket = of(inet, datagram, udp);
    const loopback = addressBytes('127.0.0.1');
    await networkStory(t, [
      { step: 'socket:2:2:0', result: 3, event: socket(made) },
      {
        step: `bind:3:${internetAddress('127.0.0.1')}`,
        result: 0,
        event: (said) => socket({ ...bound(3n), port: said('name:3').port, strings: { address: loopback } }),
      },
      { step: 'name:3' },
      { step: 'socket:2:2:17', result: 4, event: socket(made) },
      {
        // 0.0.0.0 is this machine: the socket says which address that was taken for.
        step: `connect:4:${internetAddress('0.0.0.0')}@3`,
        result: 0,
        event: (said) =>
          socket({
            ...connected(4n),
            port: said('name:3').port,
            localPort: said('name:4').port,
            strings: { address: loopback, localAddress: loopback },
          }),
      },
      { step: 'name:4' },
      {
        // AF_UNSPEC: what was passed is all there is.
        step: 'connect:4:00000000000000000000000000000000',
        result: 0,
        event: socket({ ...connected(4n), addressFamily: 0n, addressSource: BigInt(eventAddressSource.argument) }),
      },
    ]);
  },
);

kernelTest(
  'sockets with a file: the file by its object, the name as it was bound, the path as it was typed',
  async (t) => {
    const top = directory(t);
    mkdirSync(join(top, 'real'));
    symlinkSync('real', join(top, 'link'));
    const socket = of(unix, stream, 0n);
    const path = join(top, 'real/socket');
    const typed = join(top, 'link/socket');
    await networkStory(
      t,
      [
        { step: 'socket:1:1:0', result: 3, event: socket(made) },
        {
          step: `bind:3:${unixAddress('../real/socket')}`,
          result: 0,
          event: () =>
            socket({
              ...bound(3n),
              ...file(path),
              strings: { path, typedPath: '../real/socket', address: '../real/socket' },
            }),
        },
        {
          step: 'listen:3:1',
          result: 0,
          event: () => socket({ ...listening(3n, 1n), ...file(path), strings: { path, address: '../real/socket' } }),
        },
        { step: `socket:1:${stream | nonblocking}:0`, result: 4, event: socket({ ...made, flags: nonblocking }) },
        {
          step: `connect:4:${unixAddress(`${typed}\0behind`)}`,
          result: 0,
          event: () =>
            socket({ ...connected(4n), ...file(path), strings: { path, typedPath: typed, address: '../real/socket' } }),
        },
        {
          // Its peer has no name.
          step: 'accept:3',
          result: 5,
          event: () => socket({ ...accepted, ...file(path), strings: { path, localAddress: '../real/socket' } }),
        },
      ],
      { cwd: join(top, 'real') },
    );
  },
);

kernelTest('sockets with abstract names keep the leading NUL; one that the kernel chose is told', async (t) => {
  const name = `\0palisade-${process.pid}\0\xff`;
  const socket = of(unix, sequenced, 0n);
  await networkStory(t, [
    { step: 'socket:1:5:0', result: 3, event: socket(made) },
    { step: `bind:3:${unixAddress(name)}`, result: 0, event: socket({ ...bound(3n), strings: { address: name } }) },
    {
      step: 'listen:3:4294967295',
      result: 0,
      event: socket({ ...listening(3n, 0xffff_ffffn), strings: { address: name } }),
    },
    { step: 'socket:1:5:0', result: 4, event: socket(made) },
    {
      step: `bind:4:${unixAddress('')}`,
      result: 0,
      event: (said) => socket({ ...bound(4n), strings: { address: said('name:4').address } }),
    },
    { step: 'name:4' },
    {
      step: `connect:4:${unixAddress(name)}`,
      result: 0,
      event: (said) => socket({ ...connected(4n), strings: { address: name, localAddress: said('name:4').address } }),
    },
    {
      step: 'accept4:3:0',
      result: 5,
      event: (said) => socket({ ...accepted4(0n), strings: { address: said('name:4').address, localAddress: name } }),
    },
  ]);
});

kernelTest('families without an address for us, and raw sockets: what they are, and no port', async (t) => {
  const loopback = addressBytes('127.0.0.1');
  await networkStory(t, [
    { step: 'socket:16:3:15', result: 3, event: of(netlink, raw, 15n)(made) },
    { step: 'bind:3:100000000000000000000000', result: 0, event: of(netlink, raw, 15n)(bound(3n)) },
    { step: 'connect:3:100000000000000000000000', result: 0, event: of(netlink, raw, 15n)(connected(3n)) },
    { step: 'socket:17:3:768', result: 4, event: of(packet, raw, 768n)(made) },
    { step: 'bind:4:1100000301000000000000000000000000000000', result: 0, event: of(packet, raw, 0n)(bound(4n)) },
    // SOCK_PACKET of AF_INET, which the kernel makes one of AF_PACKET.
    { step: 'socket:2:10:768', result: 5, event: of(packet, 10n, 768n)(made) },
    { step: 'socket:2:3:1', result: 6, event: of(inet, raw, icmp)(made) },
    {
      step: `bind:6:${internetAddress('127.0.0.1', 99)}`,
      result: 0,
      event: of(inet, raw, icmp)({ ...bound(6n), strings: { address: loopback } }),
    },
    {
      step: `connect:6:${internetAddress('127.0.0.1', 99)}`,
      result: 0,
      event: of(inet, raw, icmp)({ ...connected(6n), strings: { address: loopback, localAddress: loopback } }),
    },
    { step: 'socket:1:1:1', result: 7, event: of(unix, stream, 0n)(made) },
    { step: 'socket:10:2:17', result: 8, event: of(inet6, datagram, udp)(made) },
  ]);
});

function directory(t: ExecutionContext): string {
  const top = realpathSync(mkdtempSync('/tmp/palisade-network-'));
  t.teardown(() => {
    rmSync(top, { recursive: true });
  });
  return top;
}

/** What an event has of the file of a socket. */
function file(path: string): NetworkEvent {
  const stat = statSync(path, { bigint: true });
  return {
    pathSource: object,
    fileInode: stat.ino,
    fileDevice: ((stat.dev >> 8n) << 20n) | (stat.dev & 0xffn),
    fileMode: stat.mode,
    fileOwnerUid: stat.uid,
    fileOwnerGid: stat.gid,
  };
}
