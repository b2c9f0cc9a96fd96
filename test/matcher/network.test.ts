import test from 'ava';
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
