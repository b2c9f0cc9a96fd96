import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { eventAddressSource, eventOperation, eventPathSource } from '../../collector/event-layout.ts';
import { whyNoKernelTests, type KernelCapture } from '../support/kernel-capture.ts';
import type { KernelString } from '../support/kernel-event.ts';
import { networkStories, type NetworkEvent } from '../support/network-story.ts';
import { addressBytes, internetAddress, unixAddress } from '../support/socket-address.ts';

// socket, bind, listen, accept, accept4 and connect that fail, and what is left out: every field of each event.

const reason = whyNoKernelTests();
const kernelTest = reason === undefined ? test.serial : test.serial.skip;
if (reason !== undefined) console.log(`skipped: ${reason}`);
const networkStory = networkStories(test);

const [unix, inet, inet6] = [1n, 2n, 10n];
const [stream, datagram] = [1n, 2n];
const [tcp, udp] = [6n, 17n];
const nobody = 65_534;
const baseAndText = BigInt(eventPathSource.baseAndText);
const loopback = addressBytes('127.0.0.1');

const fromSocket: NetworkEvent = { addressSource: BigInt(eventAddressSource.object) };
const fromCaller: NetworkEvent = { addressSource: BigInt(eventAddressSource.argument) };
const ofTcp: NetworkEvent = { socketType: stream, protocol: tcp };
const tcpSocket: NetworkEvent = { operation: 'socket', syscall: 41n, addressFamily: inet, ...ofTcp, ...fromSocket };
const udpSocket: NetworkEvent = { ...tcpSocket, socketType: datagram, protocol: udp };
const unixSocket: NetworkEvent = { ...tcpSocket, addressFamily: unix, protocol: 0n };
const failedSocket: NetworkEvent = { operation: 'socket', syscall: 41n, ...fromCaller };
const bind = (fileDescriptor: bigint): NetworkEvent => ({ operation: 'bind', syscall: 49n, fileDescriptor });
const failedBind = (fileDescriptor: bigint): NetworkEvent => ({ ...bind(fileDescriptor), ...fromCaller });
const listen = (fileDescriptor: bigint): NetworkEvent => ({ operation: 'listen', syscall: 50n, fileDescriptor });
const accept = (fileDescriptor: bigint): NetworkEvent => ({ operation: 'accept', syscall: 43n, fileDescriptor });
const failedConnect = (fileDescriptor: bigint): NetworkEvent => ({
  operation: 'connect',
  syscall: 42n,
  fileDescriptor,
  ...fromCaller,
});

function filteredAccepts({ monitor }: KernelCapture): number {
  const { cpus, operations, filtered } = monitor.statistics();
  let sum = 0;
  for (let cpu = 0; cpu < cpus; cpu++) sum += filtered[cpu * operations + eventOperation.accept] ?? 0;
  return sum;
}

kernelTest('socket that fails has what the caller passed; what has no room is 65535', async (t) => {
  await networkStory(t, [
    {
      step: 'socket:99:2:5',
      result: -97,
      event: { ...failedSocket, addressFamily: 99n, socketType: 2n, protocol: 5n },
    },
    // 0x4d: type 13 and a flag that is none.
    {
      step: 'socket:2:77:0',
      result: -22,
      event: { ...failedSocket, addressFamily: inet, socketType: 13n, flags: 0x40n },
    },
    {
      step: 'socket:65616:1:70000',
      result: -97,
      event: { ...failedSocket, addressFamily: 65_535n, socketType: 1n, protocol: 65_535n },
    },
  ]);
});

kernelTest('socket and bind that are refused have what was tried', async (t) => {
  await networkStory(
    t,
    [
      {
        step: 'socket:2:3:1',
        result: -1,
        event: { ...failedSocket, addressFamily: inet, socketType: 3n, protocol: 1n },
      },
      { step: 'socket:2:1:0', result: 3, event: tcpSocket },
      {
        step: `bind:3:${internetAddress('127.0.0.1', 80)}`,
        result: -13,
        event: { ...failedBind(3n), ...ofTcp, addressFamily: inet, port: 80n, strings: { address: loopback } },
      },
    ],
    { uid: nobody },
  );
});

kernelTest('bind that fails has the address that was passed, as far as it can be read', async (t) => {
  const ofSocket = { ...failedBind(4n), ...ofTcp };
  await networkStory(t, [
    { step: 'socket:2:1:0', result: 3, event: tcpSocket },
    {
      step: `bind:3:${internetAddress('127.0.0.1')}`,
      result: 0,
      event: (said) => ({
        ...bind(3n),
        ...fromSocket,
        ...ofTcp,
        addressFamily: inet,
        port: said('name:3').port,
        strings: { address: loopback },
      }),
    },
    { step: 'name:3' },
    { step: 'socket:2:1:0', result: 4, event: tcpSocket },
    {
      step: 'bind:4:@3',
      result: -98,
      event: (said) => ({
        ...ofSocket,
        addressFamily: inet,
        port: said('name:3').port,
        strings: { address: loopback },
      }),
    },
    {
      // For documentation (RFC 5737): nobody has it.
      step: `bind:4:${internetAddress('192.0.2.1', 4000)}`,
      result: -99,
      event: { ...ofSocket, addressFamily: inet, port: 4000n, strings: { address: addressBytes('192.0.2.1') } },
    },
    {
      step: `bind:4:${internetAddress('2001:db8::1', 4001)}`,
      result: -97,
      event: { ...ofSocket, addressFamily: inet6, port: 4001n, strings: { address: addressBytes('2001:db8::1') } },
    },
    // Family and port, and no byte more: no address.
    { step: 'bind:4:02000fa0', result: -22, event: { ...ofSocket, addressFamily: inet } },
    { step: 'bind:4:02', result: -22, event: ofSocket },
    { step: 'bind:4:!', result: -14, event: ofSocket },
    {
      step: `bind:999:${internetAddress('127.0.0.1', 4002)}`,
      result: -9,
      event: { ...failedBind(999n), addressFamily: inet, port: 4002n, strings: { address: loopback } },
    },
    { step: 'eventfd', result: 5 },
    {
      step: `bind:5:${internetAddress('127.0.0.1', 4003)}`,
      result: -88,
      event: { ...failedBind(5n), addressFamily: inet, port: 4003n, strings: { address: loopback } },
    },
  ]);
});

kernelTest(
  'a file that bind or connect does not reach is that of the text, as long as readable memory goes',
  async (t) => {
    const top = realpathSync(mkdtempSync('/tmp/palisade-network-'));
    t.teardown(() => {
      rmSync(top, { recursive: true });
    });
    mkdirSync(join(top, 'directory'));
    const ofSocket = { addressFamily: unix, socketType: stream, pathSource: baseAndText };
    const both = (path: string): Partial<Record<KernelString, string>> => ({ typedPath: path, address: path });
    // 108 bytes, all that sun_path has room for, without a NUL.
    const longest = `missing/${'x'.repeat(100)}`;
    await networkStory(
      t,
      [
        { step: 'socket:1:1:0', result: 3, event: unixSocket },
        {
          step: `bind:3:${unixAddress('missing/socket')}`,
          result: -2,
          event: { ...failedBind(3n), ...ofSocket, strings: both('missing/socket') },
        },
        {
          step: `bind:3:${unixAddress(longest)}`,
          result: -2,
          event: { ...failedBind(3n), ...ofSocket, strings: both(longest) },
        },
        {
          step: `bind:3:${unixAddress('directory')}`,
          result: -98,
          event: { ...failedBind(3n), ...ofSocket, strings: both('directory') },
        },
        {
          step: `connect:3:${unixAddress(`${top}/nobody`)}`,
          result: -2,
          event: { ...failedConnect(3n), ...ofSocket, strings: both(`${top}/nobody`) },
        },
        {
          step: `connect:3:${unixAddress('directory\0x')}`,
          result: -111,
          event: { ...failedConnect(3n), ...ofSocket, strings: both('directory') },
        },
        {
          step: `connect:3:${unixAddress('\0nobody')}`,
          result: -111,
          event: { ...failedConnect(3n), addressFamily: unix, socketType: stream, strings: { address: '\0nobody' } },
        },
      ],
      { cwd: top },
    );
  },
);

kernelTest('listen that fails has the address that the socket has', async (t) => {
  const anywhere = addressBytes('0.0.0.0');
  await networkStory(t, [
    { step: 'socket:2:2:0', result: 3, event: udpSocket },
    {
      step: 'listen:3:5',
      result: -95,
      event: {
        ...listen(3n),
        ...fromSocket,
        addressFamily: inet,
        socketType: datagram,
        protocol: udp,
        flags: 5n,
        strings: { address: anywhere },
      },
    },
    { step: 'listen:999:5', result: -9, event: { ...listen(999n), flags: 5n } },
    { step: 'eventfd', result: 4 },
    { step: 'listen:4:0', result: -88, event: listen(4n) },
  ]);
});

kernelTest('accept that fails has the socket that was to accept, and no peer', async (t) => {
  const anywhere = { localAddress: addressBytes('0.0.0.0') };
  const onSocket = { ...accept(3n), ...fromSocket, ...ofTcp, addressFamily: inet };
  await networkStory(t, [
    { step: 'socket:2:1:0', result: 3, event: tcpSocket },
    { step: 'accept:3', result: -22, event: { ...onSocket, strings: anywhere } },
    // A socket that listens without a bind is bound to a port by that.
    {
      step: 'listen:3:5',
      result: 0,
      event: (said) => ({
        ...listen(3n),
        ...fromSocket,
        ...ofTcp,
        addressFamily: inet,
        flags: 5n,
        port: said('name:3').port,
        strings: { address: anywhere.localAddress },
      }),
    },
    { step: 'name:3' },
    {
      step: 'accept4:3:1',
      result: -22,
      event: (said) => ({ ...onSocket, syscall: 288n, flags: 1n, localPort: said('name:3').port, strings: anywhere }),
    },
    { step: 'limit:4', result: 0 },
    {
      step: 'accept:3',
      result: -24,
      event: (said) => ({ ...onSocket, localPort: said('name:3').port, strings: anywhere }),
    },
    { step: 'accept:999', result: -9, event: accept(999n) },
  ]);
});

kernelTest('accept that finds nobody is counted as filtered, and not told', async (t) => {
  const capture = await networkStory(t, [
    { step: 'socket:2:2049:0', result: 3, event: { ...tcpSocket, flags: 0o4000n } },
    {
      step: 'listen:3:5',
      result: 0,
      event: (said) => ({
        ...listen(3n),
        ...fromSocket,
        ...ofTcp,
        addressFamily: inet,
        flags: 5n,
        port: said('name:3').port,
        strings: { address: addressBytes('0.0.0.0') },
      }),
    },
    { step: 'name:3' },
    { step: 'accept:3', result: -11 },
    { step: 'accept4:3:0', result: -11 },
  ]);
  t.true(filteredAccepts(capture) >= 2);
});

kernelTest(
  'a connect that is refused, or ends where readable memory does, has the address that was passed',
  async (t) => {
    const ofSocket = { ...failedConnect(4n), ...ofTcp };
    await networkStory(t, [
      { step: 'socket:2:1:0', result: 3, event: tcpSocket },
      {
        step: `bind:3:${internetAddress('127.0.0.1')}`,
        result: 0,
        event: (said) => ({
          ...bind(3n),
          ...fromSocket,
          ...ofTcp,
          addressFamily: inet,
          port: said('name:3').port,
          strings: { address: loopback },
        }),
      },
      { step: 'name:3' },
      { step: 'socket:2:1:0', result: 4, event: tcpSocket },
      {
        step: 'connect:4:@3',
        result: -111,
        event: (said) => ({
          ...ofSocket,
          addressFamily: inet,
          port: said('name:3').port,
          strings: { address: loopback },
        }),
      },
      {
        step: `connect:4:${internetAddress('::1', 4000)}`,
        result: -97,
        event: { ...ofSocket, addressFamily: inet6, port: 4000n, strings: { address: addressBytes('::1') } },
      },
      { step: 'connect:4:02', result: -22, event: ofSocket },
      { step: 'connect:4:!', result: -14, event: ofSocket },
      {
        step: `connect:999:${internetAddress('127.0.0.1', 4001)}`,
        result: -9,
        event: { ...failedConnect(999n), addressFamily: inet, port: 4001n, strings: { address: loopback } },
      },
    ]);
  },
);

kernelTest('a connect that a signal interrupts is told, and an accept is not', async (t) => {
  const name = `\0palisade-interrupted-${process.pid}`;
  const bound = { ...fromSocket, addressFamily: unix, socketType: stream, strings: { address: name } };
  const capture = await networkStory(t, [
    { step: 'socket:1:1:0', result: 3, event: unixSocket },
    { step: `bind:3:${unixAddress(name)}`, result: 0, event: { ...bind(3n), ...bound } },
    { step: 'listen:3:0', result: 0, event: { ...listen(3n), ...bound } },
    { step: 'alarms', result: 0 },
    { step: 'accept:3', result: -4 },
    { step: 'socket:1:1:0', result: 4, event: unixSocket },
    { step: `connect:4:${unixAddress(name)}`, result: 0, event: { ...failedConnect(4n), ...bound } },
    // Nobody takes the one before it, and there is room for one.
    { step: 'socket:1:1:0', result: 5, event: unixSocket },
    { step: `connect:5:${unixAddress(name)}`, result: -4, event: { ...failedConnect(5n), ...bound, ...fromCaller } },
  ]);
  t.true(filteredAccepts(capture) >= 1);
});
