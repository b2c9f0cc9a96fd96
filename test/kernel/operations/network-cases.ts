import { join } from 'node:path';
import { internetAddress, saidAddress, unixAddress } from '../../support/socket-address.ts';
import { addressText, type ActContext, type OperationCase, type Performed } from './operation-case.ts';

/** The address that the program printed, as the events of this page have it. */
function textOf(line: string | undefined): string {
  const { family, address, port } = saidAddress(line ?? '');
  return addressText({ family, address: Buffer.from(address, 'latin1'), port: Number(port) });
}

/** Makes the steps of test/programs/network.c; `expected` gets what each printed. */
function steps(
  made: readonly string[],
  expected: (lines: readonly string[], directory: string) => Performed['expected'],
): (context: ActContext) => Performed {
  return ({ directory, run }) => {
    const { hostPid, stdout } = run('network', made, { cwd: directory });
    return { hostPid, expected: expected(stdout.split('\n'), directory) };
  };
}

const loopback = internetAddress('127.0.0.1');
const loopback6 = internetAddress('::1');
/** A server of each kind as descriptor 3, on a port of the kernel's choice. */
const server = ['socket:2:1:0', `bind:3:${loopback}`, 'listen:3:5'];
const server6 = ['socket:10:1:0', `bind:3:${loopback6}`, 'listen:3:5'];
const serverFile = ['socket:1:1:0', `bind:3:${unixAddress('socket')}`, 'listen:3:5'];
const callFile = ['socket:1:1:0', `connect:4:${unixAddress('./socket')}`];
const [accept, accept4] = ['accept:3', 'accept4:3:0'];

const bothEnds = { 'peer address': 'object', 'local address': 'object' } as const;
const fails = 'it fails';
const filePath = (_: readonly string[], directory: string): Performed['expected'] => ({
  path: join(directory, 'socket'),
});

const socketCases: readonly OperationCase[] = [
  {
    operation: 'socket',
    when: 'it succeeds',
    names: 'family, type and protocol that the socket has',
    sources: { address: 'object' },
    acts: { socket: steps(['socket:2:10:768'], () => ({ address: 'family 17' })) },
  },
  {
    operation: 'socket',
    when: fails,
    names: 'family, type and protocol that were passed',
    sources: { address: 'argument' },
    acts: { socket: steps(['socket:99:1:0'], () => ({ address: 'family 99' })) },
  },
];

const bindCases: readonly OperationCase[] = [
  {
    operation: 'bind',
    when: 'it succeeds with IPv4 or IPv6',
    names: 'the address, and the port that was given for 0',
    sources: { address: 'object' },
    acts: { bind: steps([...server6.slice(0, 2), 'name:3'], ([, , name]) => ({ address: textOf(name) })) },
  },
  {
    operation: 'bind',
    when: 'it succeeds with a path of AF_UNIX',
    names: 'the file that was made, and the path as it was passed',
    sources: { path: 'object', address: 'object' },
    acts: { bind: steps(serverFile.slice(0, 2), (...said) => ({ ...filePath(...said), address: 'socket' })) },
  },
  {
    operation: 'bind',
    when: 'it succeeds with an abstract name of AF_UNIX, or none',
    names: 'the name, also where the kernel chose it',
    sources: { address: 'object' },
    acts: {
      bind: steps(['socket:1:2:0', `bind:3:${unixAddress('')}`, 'name:3'], ([, , name]) => ({ address: textOf(name) })),
    },
  },
  {
    operation: 'bind',
    when: fails,
    names: 'the address that was passed',
    sources: { address: 'argument' },
    acts: { bind: steps([`bind:99:${internetAddress('192.0.2.1', 80)}`], () => ({ address: '192.0.2.1:80' })) },
  },
  {
    operation: 'bind',
    when: 'it fails with a path of AF_UNIX',
    names: 'the directory and what was typed; the path as it was passed',
    sources: { path: 'baseAndText', address: 'argument' },
    acts: {
      bind: steps(['socket:1:1:0', `bind:3:${unixAddress('missing/socket')}`], (_, directory) => ({
        path: join(directory, 'missing/socket'),
        address: 'missing/socket',
      })),
    },
  },
];

const listenCases: readonly OperationCase[] = [
  {
    operation: 'listen',
    when: 'on a socket of IPv4 or IPv6, also where it fails',
    names: 'the socket’s address',
    sources: { address: 'object' },
    acts: { listen: steps([...server, 'name:3'], ([, , , name]) => ({ address: textOf(name) })) },
  },
  {
    operation: 'listen',
    when: 'on a socket of AF_UNIX with a file',
    names: 'the socket’s file, and its name as it was bound',
    sources: { path: 'object', address: 'object' },
    acts: { listen: steps(serverFile, (...said) => ({ ...filePath(...said), address: 'socket' })) },
  },
];

/** A client of `before`, and what `call` accepts of it as descriptor 5. */
function acceptInternet(call: string, version: 4 | 6): (context: ActContext) => Performed {
  const before = version === 4 ? server : server6;
  const client = [`socket:${version === 4 ? 2 : 10}:1:0`, 'connect:4:@3', call, 'name:5', 'peer:5'];
  return steps([...before, ...client], (lines) => ({
    'peer address': textOf(lines[7]),
    'local address': textOf(lines[6]),
  }));
}

function acceptFile(call: string): (context: ActContext) => Performed {
  return steps([...serverFile, ...callFile, call], (...said) => ({
    ...filePath(...said),
    'peer address': 'family 1',
    'local address': 'socket',
  }));
}

function acceptFails(call: string): (context: ActContext) => Performed {
  return steps(['socket:2:1:0', `bind:3:${loopback}`, call, 'name:3'], ([, , , name]) => ({
    'peer address': 'family 2',
    'local address': textOf(name),
  }));
}

const acceptCases: readonly OperationCase[] = [
  {
    operation: 'accept',
    when: 'it succeeds with IPv4 or IPv6',
    names: 'both ends of the new socket',
    sources: bothEnds,
    acts: { accept: acceptInternet(accept, 4), accept4: acceptInternet(accept4, 6) },
  },
  {
    operation: 'accept',
    when: 'it succeeds on a socket of AF_UNIX with a file',
    names: 'that file, its name as it was bound, and the peer’s, which has none as a rule',
    sources: { path: 'object', ...bothEnds },
    acts: { accept: acceptFile(accept), accept4: acceptFile(accept4) },
  },
  {
    operation: 'accept',
    when: `${fails}, otherwise than by finding nobody`,
    names: 'the address of the socket that was to accept; no peer',
    sources: bothEnds,
    acts: { accept: acceptFails(accept), accept4: acceptFails(accept4) },
  },
];

const connectCases: readonly OperationCase[] = [
  {
    operation: 'connect',
    when: 'it succeeds or goes on (EINPROGRESS, EINTR) with IPv4 or IPv6',
    names: 'both ends of the socket: where it really went, also where a program in the kernel redirects',
    sources: bothEnds,
    acts: {
      connect: steps(
        // What is called is 0.0.0.0, which stands for this machine.
        [...server, 'socket:2:2049:0', `connect:4:${internetAddress('0.0.0.0')}@3`, 'name:3', 'name:4'],
        (lines) => ({ 'peer address': textOf(lines[5]), 'local address': textOf(lines[6]) }),
      ),
    },
  },
  {
    operation: 'connect',
    when: 'it succeeds with a path of AF_UNIX',
    names: 'the file of the socket that was reached, and its name as it was bound',
    sources: { path: 'object', 'peer address': 'object' },
    acts: {
      connect: steps([...serverFile, ...callFile], (...said) => ({ ...filePath(...said), 'peer address': 'socket' })),
    },
  },
  {
    operation: 'connect',
    when: `${fails}, or ends an association`,
    names: 'the address that was passed',
    sources: { 'peer address': 'argument' },
    acts: {
      connect: steps(['socket:2:1:0', `bind:3:${loopback}`, 'socket:2:1:0', 'connect:4:@3', 'name:3'], (lines) => ({
        'peer address': textOf(lines[4]),
      })),
    },
  },
  {
    operation: 'connect',
    when: 'it fails with a path of AF_UNIX',
    names: 'the directory and what was typed; the path as it was passed',
    sources: { path: 'baseAndText', 'peer address': 'argument' },
    acts: {
      connect: steps(['socket:1:1:0', `connect:3:${unixAddress('nobody')}`], (_, directory) => ({
        path: join(directory, 'nobody'),
        'peer address': 'nobody',
      })),
    },
  },
];

/** socket, bind, listen, accept, connect. */
export const networkCases: readonly OperationCase[] = [
  ...socketCases,
  ...bindCases,
  ...listenCases,
  ...acceptCases,
  ...connectCases,
];
