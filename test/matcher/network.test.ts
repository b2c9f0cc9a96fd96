import test from 'ava';
import { kubeArmorAlert } from '../../cli/kubearmor-json.ts';
import type { Alert, SocketAddress } from '../../schemas/generated.ts';
import { sampleAlert } from '../support/alert.ts';
import { alertsOf } from '../support/match.ts';
import { bytesOf, containerDescriptor, hostDescriptor, TestNode, type NetworkOperation } from '../support/raw-batch.ts';

// Dimensions are judged apart: what is done to sockets raises no alert, whatever rules about files and processes say.

const policies = `---
apiVersion: security.kubearmor.com/v1
kind: KubeArmorPolicy
metadata: { name: everything-below-run }
spec:
  selector: { matchLabels: {} }
  file: { matchDirectories: [{ dir: /run/, recursive: true }] }
  action: Block
---
apiVersion: security.kubearmor.com/v1
kind: KubeArmorPolicy
metadata: { name: one-program-one-file }
spec:
  selector: { matchLabels: {} }
  process: { matchPaths: [{ path: /bin/true }] }
  file: { matchPaths: [{ path: /etc/hosts }] }
  action: Allow
---
apiVersion: palisade/v1
kind: PalisadeDefaults
metadata: { name: defaults }
spec: { defaultFilePosture: block, defaultNetworkPosture: block }
`;
const containers = [hostDescriptor(), containerDescriptor({ cgroupId: 7n, name: 'web', rootLinks: [] })];
const path = '/run/socket';
const address = { family: 1, socketType: 1, protocol: 0, address: bytesOf(path), port: 0, source: 'object' } as const;

const operations: readonly NetworkOperation[] = ['socket', 'bind', 'listen', 'accept', 'connect'];
for (const operation of operations) {
  for (const returnValue of [0, -1, -13, -111]) {
    test(`${operation} that gives ${returnValue} raises no alert, and the open beside it does`, (t) => {
      const node = new TestNode();
      const process = node.process({ containerCgroupId: 7n, executable: '/bin/server' });
      node.onSocket(operation, process, address, { path, returnValue });
      node.open(process, path);
      const alerts = alertsOf(policies, [node.batch({ containers })]);
      t.deepEqual(
        alerts.map(({ eventOperation, policyName, resource }) => [eventOperation, policyName, resource]),
        [['open', 'everything-below-run', path]],
      );
    });
  }
}

const auditAll = `---
apiVersion: security.kubearmor.com/v1
kind: KubeArmorPolicy
metadata: { name: sockets }
spec:
  selector: { matchLabels: {} }
  network: { matchProtocols: [{ protocol: 'tcp,udp,stream,packet' }] }
  severity: 4
  action: Audit
`;

interface Told {
  readonly operation: NetworkOperation;
  readonly socket: Partial<SocketAddress>;
  readonly returnValue?: number;
  readonly alert: Partial<Alert> | undefined;
}

const ofPeer = { data: 'syscall=SYS_CONNECT fd=4', operation: 'Network', processName: '/bin/server', action: 'Audit' };
const told: Readonly<Record<string, Told>> = {
  'a socket that is made is told by family, type and protocol': {
    operation: 'socket',
    socket: { family: 2, socketType: 1, protocol: 6 },
    alert: {
      resource: 'domain=AF_INET type=SOCK_STREAM protocol=TCP',
      data: 'syscall=SYS_SOCKET',
      operation: 'Network',
    },
  },
  'a protocol that was left to the family is the one it has': {
    operation: 'socket',
    socket: { family: 10, socketType: 2, protocol: 0 },
    alert: { resource: 'domain=AF_INET6 type=SOCK_DGRAM protocol=UDP' },
  },
  'a socket that was refused is told as it was asked for': {
    operation: 'socket',
    socket: { family: 17, socketType: 3, protocol: 768 },
    returnValue: -1,
    alert: {
      resource: 'domain=AF_PACKET type=SOCK_RAW protocol=768',
      result: 'Operation not permitted',
      enforcement: 'none',
    },
  },
  'a connect is told by its peer': {
    operation: 'connect',
    socket: { family: 2, socketType: 1, protocol: 6, address: Uint8Array.of(10, 0, 0, 1), port: 443 },
    alert: { ...ofPeer, resource: 'remoteip=10.0.0.1 port=443 protocol=TCP', severity: '4' },
  },
  'a peer of IPv6 is written short': {
    operation: 'connect',
    socket: {
      family: 10,
      socketType: 1,
      protocol: 6,
      address: Uint8Array.of(0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0),
      port: 53,
    },
    alert: { ...ofPeer, resource: 'remoteip=2001:db8::1:0 port=53 protocol=TCP' },
  },
  'an accept is told by who called': {
    operation: 'accept',
    socket: { family: 10, socketType: 1, protocol: 6, address: new Uint8Array(16), port: 9 },
    alert: { resource: 'remoteip=:: port=9 protocol=TCP', data: 'syscall=SYS_ACCEPT fd=4' },
  },
  'a peer that has no such address is told as a socket, without its name': {
    operation: 'connect',
    socket: { family: 1, socketType: 1, protocol: 0, address: Buffer.from('/run/x port=1'), port: 0 },
    alert: { resource: 'domain=AF_UNIX type=SOCK_STREAM protocol=IP' },
  },
  'a connect that goes on is not told': {
    operation: 'connect',
    socket: { family: 2, socketType: 1, protocol: 6, address: Uint8Array.of(10, 0, 0, 1), port: 443 },
    returnValue: -115,
    alert: undefined,
  },
  'what listens and is bound gives no alert: that is told where the socket is made': {
    operation: 'bind',
    socket: { family: 2, socketType: 1, protocol: 6, address: Uint8Array.of(0, 0, 0, 0), port: 80 },
    alert: undefined,
  },
};

for (const [title, { operation, socket, returnValue, alert }] of Object.entries(told)) {
  test(title, (t) => {
    const node = new TestNode();
    const process = node.process({ containerCgroupId: 7n, executable: '/bin/server' });
    node.onSocket(
      operation,
      process,
      { ...address, address: new Uint8Array(), ...socket },
      { returnValue: returnValue ?? 0 },
    );
    const alerts = alertsOf(auditAll, [node.batch({ containers })]);
    t.is(alerts.length, alert === undefined ? 0 : 1);
    if (alert !== undefined) t.like(alerts[0], alert);
  });
}

test("KubeArmor's EventData of a network alert has what was done and to what", (t) => {
  const alert = sampleAlert({
    operation: 'Network',
    data: 'syscall=SYS_CONNECT fd=4',
    resource: 'remoteip=::1 port=1 protocol=TCP',
  });
  t.like(kubeArmorAlert(alert), {
    EventData: { Syscall: 'SYS_CONNECT', Fd: '4', Remoteip: '::1', Port: '1', Protocol: 'TCP' },
  });
});
