import test, { type ExecutionContext } from 'ava';
import type { RootLink } from '../../schemas/generated.ts';
import { alertsOf } from '../support/match.ts';
import { bytesOf, containerDescriptor, hostDescriptor, TestNode } from '../support/raw-batch.ts';

const policy = `
apiVersion: security.kubearmor.com/v1
kind: KubeArmorPolicy
metadata:
  name: block-ls
  namespace: container_namespace
spec:
  severity: 5
  message: ls from dash
  tags: [seed]
  selector:
    matchLabels:
      kubearmor.io/container.name: shop
  process:
    matchPaths:
      - path: /bin/ls
        fromSource:
          - path: /bin/dash
  action: Block
`;

/** dash runs ls in the container \`shop\`, whose programs lie in \`bin\`; another container does the same. */
function story(bin: string, rootLinks: readonly RootLink[] | null): ReturnType<typeof alertsOf> {
  const node = new TestNode();
  const init = node.process({ hostPid: 1, executable: '/sbin/init', cwd: '/srv' });
  node.existing(init);
  for (const cgroupId of [7n, 8n]) {
    const shell = node.fork(init, { containerCgroupId: cgroupId, executable: `${bin}/dash`, tty: '/dev/pts/0' });
    const child = node.fork(shell);
    node.exec(child, `${bin}/ls`, { arguments: ['ls', '-l', '/'], calledName: '/bin/ls' });
    node.open(child, '/', { file: { inodeType: 'directory' } });
    node.exit(child);
    const direct = node.fork(shell, { executable: '/usr/bin/python3' });
    node.exec(direct, `${bin}/ls`, { arguments: ['ls'] });
  }
  const containers = [
    hostDescriptor(),
    containerDescriptor({ cgroupId: 7n, name: 'shop', image: 'shop@sha256:00', labels: { app: 'shop' }, rootLinks }),
    containerDescriptor({ cgroupId: 8n, name: 'other', rootLinks }),
  ];
  return alertsOf(policy, [node.batch({ containers })]);
}

const merged: readonly RootLink[] = [{ path: bytesOf('/bin'), target: bytesOf('/usr/bin') }];

function oneAlert(t: ExecutionContext, bin: string, rootLinks: readonly RootLink[] | null, matchedPath: string): void {
  const alerts = story(bin, rootLinks);
  t.is(alerts.length, 1);
  const [alert] = alerts;
  t.like(alert, {
    clusterName: 'default',
    hostName: 'test-host',
    namespaceName: 'container_namespace',
    podName: 'shop',
    labels: 'app=shop,kubearmor.io/container.name=shop,namespaceName=container_namespace',
    containerId: 'container-7',
    containerName: 'shop',
    containerImage: 'shop@sha256:00',
    parentProcessName: `${bin}/dash`,
    processName: `${bin}/ls`,
    policyName: 'block-ls',
    severity: '5',
    message: 'ls from dash',
    type: 'MatchedPolicy',
    source: `${bin}/dash`,
    operation: 'Process',
    resource: `${bin}/ls -l /`,
    data: 'syscall=SYS_EXECVE',
    enforcer: 'eBPF Monitor',
    action: 'Audit (Block)',
    result: 'Passed',
    cwd: '/srv/',
    tty: '/dev/pts/0',
    eventOperation: 'exec',
    decidedBy: 'rule',
    enforcement: 'notEnforced',
    containerKnown: true,
    ancestryComplete: true,
    pathSource: 'object',
    matchedPath,
  });
  t.deepEqual(alert?.tags, ['seed']);
  t.deepEqual(
    alert?.ancestry.map(({ executable }) => executable),
    [`${bin}/dash`, '/sbin/init'],
  );
  t.like(alert?.rule, {
    policyKind: 'KubeArmorPolicy',
    policyName: 'block-ls',
    block: 'process',
    list: 'matchPaths',
    index: 0,
    file: 'policies.yaml',
    line: 16,
    column: 9,
  });
  t.regex(alert?.id ?? '', /^[0-9a-f]{32}$/);
}

test('dash runs ls in the one container: one alert, on a root with a real /bin', (t) => {
  oneAlert(t, '/bin', [], '');
});

test('dash runs ls in the one container: one alert, on a merged root', (t) => {
  oneAlert(t, '/usr/bin', merged, '/bin/ls');
});

test('dash runs ls in the one container: one alert, on a merged root whose links are not known', (t) => {
  oneAlert(t, '/usr/bin', null, '/bin/ls');
});

test('the same story judged again gives the same ids', (t) => {
  t.deepEqual(
    story('/bin', []).map(({ id }) => id),
    story('/bin', []).map(({ id }) => id),
  );
});

test('an exec that something else denied is named as the program that it would have been', (t) => {
  const node = new TestNode();
  const shell = node.process({ containerCgroupId: 7n, executable: '/bin/login' });
  const child = node.fork(shell, { executable: '/bin/dash' });
  node.exec(child, '/bin/ls', { arguments: ['ls'], returnValue: -13 });
  const containers = [containerDescriptor({ cgroupId: 7n, name: 'shop', rootLinks: [] })];
  const [alert] = alertsOf(policy, [node.batch({ containers })]);
  t.like(alert, {
    action: 'Block',
    result: 'Permission denied',
    enforcement: 'deniedBySomethingElse',
    processName: '/bin/ls',
    parentProcessName: '/bin/dash',
  });
});
