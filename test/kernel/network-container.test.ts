import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import type { SocketAddress } from '../../schemas/generated.ts';
import { collectorOptions, startCollector, type CollectedEvent } from '../support/collector-run.ts';
import { ownNamespaces, whyNoKernelTests } from '../support/kernel-capture.ts';
import { testProgram } from '../support/programs.ts';
import { Containers, whyNoContainers } from '../support/runc-container.ts';
import { addressBytes, internetAddress, unixAddress } from '../support/socket-address.ts';

const reason = whyNoKernelTests() ?? whyNoContainers();
const kernelTest = reason === undefined ? test.serial : test.serial.skip;
if (reason !== undefined) console.log(`skipped: ${reason}`);

/** What a row says of sockets, without its dictionaries; bytes as latin1. */
function networkOf({ batch, row, path }: CollectedEvent): object {
  const addressOf = (index: number): object | undefined => {
    const found: SocketAddress | undefined = batch.addresses[index];
    return found === undefined ? undefined : { ...found, address: Buffer.from(found.address).toString('latin1') };
  };
  return {
    operation: row.operation,
    returnValue: row.returnValue,
    fileDescriptor: row.fileDescriptor,
    flags: row.flags,
    address: addressOf(row.address),
    localAddress: addressOf(row.localAddress),
    path,
    pathSource: batch.files[row.file]?.pathSource,
  };
}

kernelTest('what a container does in a network of its own is collected, whole, and as that container’s', async (t) => {
  await using containers = new Containers();
  copyFileSync(testProgram('network'), join(containers.rootfs, 'bin/network'));
  await using collector = await startCollector(collectorOptions(t));
  const id = `palisade-network-${process.pid}`;
  const calls = internetAddress('127.0.0.1');
  const steps = ['socket:10:1:0', `bind:3:${internetAddress('::')}`, 'name:3', 'listen:3:2', 'socket:2:2049:0'];
  const more = [`connect:4:${calls}@3`, 'name:4', 'accept4:3:2048', 'socket:1:2:0'];
  const last = [`bind:6:${unixAddress('/tmp/socket')}`, `connect:6:${unixAddress('/tmp/nobody')}`, 'socket:99:1:0'];
  const output = await containers.run(id, { args: ['/bin/network', ...steps, ...more, ...last] });

  const lines = output.split('\n');
  const portIn = (line: string | undefined): number => Buffer.from(line ?? '', 'hex').readUInt16BE(2);
  const serverPort = portIn(lines[2]);
  const clientPort = portIn(lines[6]);
  t.deepEqual(
    lines.filter((line) => line.length < 8),
    ['3', '0', '0', '4', '-115', '5', '6', '0', '-2', '-97', ''],
  );
  const exit = await collector.arrived(
    ({ executable, row, container }) =>
      row.operation === 'exit' && executable === '/bin/network' && container?.containerId === id,
  );
  await collector.stop();
  const events = collector.events.filter(
    ({ process, executable }) => process.hostPid === exit.process.hostPid && executable === '/bin/network',
  );
  t.true(events.every(({ container }) => container?.containerId === id));
  t.true(events.every(({ process }) => BigInt(process.pidNamespace) !== ownNamespaces().pidNamespace));

  const none = { fileDescriptor: -1, flags: 0, localAddress: undefined, path: '', pathSource: undefined };
  const tcp6 = { family: 10, socketType: 1, protocol: 6, address: '', port: 0, source: 'object' };
  const tcp4 = { ...tcp6, family: 2 };
  const datagrams = { ...tcp4, family: 1, socketType: 2, protocol: 0 };
  const anywhere = { ...tcp6, address: addressBytes('::'), port: serverPort };
  const loopback = addressBytes('127.0.0.1');
  const mapped = addressBytes('::ffff:127.0.0.1');
  t.deepEqual(events.slice(1, -1).map(networkOf), [
    { ...none, operation: 'socket', returnValue: 3, address: tcp6 },
    { ...none, operation: 'bind', returnValue: 0, fileDescriptor: 3, address: anywhere },
    { ...none, operation: 'listen', returnValue: 0, fileDescriptor: 3, flags: 2, address: anywhere },
    { ...none, operation: 'socket', returnValue: 4, flags: 0o4000, address: tcp4 },
    {
      ...none,
      operation: 'connect',
      returnValue: -115,
      fileDescriptor: 4,
      address: { ...tcp4, address: loopback, port: serverPort },
      localAddress: { ...tcp4, address: loopback, port: clientPort },
    },
    {
      ...none,
      operation: 'accept',
      returnValue: 5,
      fileDescriptor: 3,
      flags: 0o4000,
      address: { ...tcp6, address: mapped, port: clientPort },
      localAddress: { ...tcp6, address: mapped, port: serverPort },
    },
    { ...none, operation: 'socket', returnValue: 6, address: datagrams },
    {
      ...none,
      operation: 'bind',
      returnValue: 0,
      fileDescriptor: 6,
      address: { ...datagrams, address: '/tmp/socket' },
      path: '/tmp/socket',
      pathSource: 'object',
    },
    {
      ...none,
      operation: 'connect',
      returnValue: -2,
      fileDescriptor: 6,
      address: { ...datagrams, address: '/tmp/nobody', source: 'argument' },
      path: '/tmp/nobody',
      pathSource: 'baseAndText',
    },
    {
      ...none,
      operation: 'socket',
      returnValue: -97,
      address: { ...datagrams, family: 99, socketType: 1, source: 'argument' },
    },
  ]);
});
