import test from 'ava';
import type { Alert, RawEventBatch } from '../../schemas/generated.ts';
import { alertsOf, Flow } from '../support/match.ts';
import { policyDocuments, policyKey } from '../support/policy-document.ts';
import { containerDescriptor, hostDescriptor, TestNode, type OpenOptions } from '../support/raw-batch.ts';
import { valuesOf } from '../support/run-processor.ts';

interface PolicyOptions {
  readonly kind?: 'KubeArmorPolicy' | 'KubeArmorHostPolicy' | 'KubeArmorClusterPolicy';
  readonly name?: string;
  readonly selector?: string;
  readonly namespace?: string;
  /** The part of the spec below the selector, as YAML in flow style. */
  readonly spec: string;
}

function policy(options: PolicyOptions): string {
  const kind = options.kind ?? 'KubeArmorPolicy';
  const selector = options.selector ?? (kind === 'KubeArmorHostPolicy' ? "kubearmor.io/hostname: '*'" : '');
  return `---
apiVersion: security.kubearmor.com/v1
kind: ${kind}
metadata: { name: ${options.name ?? 'p'}${options.namespace === undefined ? '' : `, namespace: ${options.namespace}`} }
spec:
  ${kind === 'KubeArmorHostPolicy' ? 'nodeSelector' : 'selector'}: { matchLabels: { ${selector} } }
${options.spec.replace(/^/gm, '  ')}
`;
}

const containers = [hostDescriptor(), containerDescriptor({ cgroupId: 7n, name: 'web', rootLinks: [] })];

/** A process of the container \`web\` opens a file. */
function opening(path: string | Uint8Array, options: OpenOptions = {}): RawEventBatch {
  const node = new TestNode();
  const process = node.process({ containerCgroupId: 7n, executable: '/bin/cat' });
  node.open(process, path, options);
  return node.batch({ containers });
}

const blockPasswd = policy({ spec: 'file: { matchPaths: [{ path: /etc/passwd }] }\naction: Block' });
const auditPasswd = policy({ spec: 'file: { matchPaths: [{ path: /etc/passwd }] }\naction: Audit' });
const allowHosts = policy({ spec: 'file: { matchPaths: [{ path: /etc/hosts }] }\naction: Allow' });
const postureBlock = `---
apiVersion: palisade/v1
kind: PalisadeDefaults
metadata: { name: defaults }
spec: { cluster: prod, defaultFilePosture: block }
`;

/** Action, enforcement and result of the one alert, or `none`. */
function summary(alerts: readonly Alert[]): string {
  return alerts.map(({ action, enforcement, result }) => `${action}, ${enforcement}, ${result}`).join('; ') || 'none';
}

const answers: readonly (readonly [string, string, number, string])[] = [
  ['Block, passed', blockPasswd, 3, 'Audit (Block), notEnforced, Passed'],
  ['Block, EPERM', blockPasswd, -1, 'Block, deniedBySomethingElse, Operation not permitted'],
  ['Block, EACCES', blockPasswd, -13, 'Block, deniedBySomethingElse, Permission denied'],
  ['Block, failed otherwise', blockPasswd, -24, 'Audit (Block), none, Too many open files'],
  ['Block, ENOENT', blockPasswd, -2, 'none'],
  ['Audit, passed', auditPasswd, 3, 'Audit, none, Passed'],
  ['Audit, denied by something else', auditPasswd, -13, 'Audit, none, Permission denied'],
  ['Audit, failed otherwise', auditPasswd, -40, 'Audit, none, Too many levels of symbolic links'],
  ['Audit, ENOENT', auditPasswd, -2, 'none'],
  ['Audit, EINPROGRESS', auditPasswd, -115, 'none'],
  ['Audit, a call that the kernel restarts', auditPasswd, -512, 'none'],
  ['posture audit, passed', allowHosts, 3, 'Audit, none, Passed'],
  ['posture block, passed', allowHosts + postureBlock, 3, 'Audit (Block), notEnforced, Passed'],
  ['posture block, denied', allowHosts + postureBlock, -13, 'Block, deniedBySomethingElse, Permission denied'],
  ['no policy, denied', '', -13, 'none'],
];
for (const [title, yaml, returnValue, expected] of answers) {
  test(`${title}: ${expected}`, (t) => {
    t.is(summary(alertsOf(yaml, [opening('/etc/passwd', { returnValue })])), expected);
  });
}

test('an Allow rule that was denied by something else gives no alert', (t) => {
  t.is(summary(alertsOf(allowHosts + postureBlock, [opening('/etc/hosts', { returnValue: -13 })])), 'none');
});

test('a posture names itself, its cluster, and no rule', (t) => {
  const [alert] = alertsOf(allowHosts + postureBlock, [opening('/etc/passwd')]);
  t.like(alert, { policyName: 'DefaultPosture', clusterName: 'prod', decidedBy: 'posture', rule: null, severity: '' });
});

test('an open tells its flags, and its source is the command line', (t) => {
  const node = new TestNode();
  const process = node.process({ containerCgroupId: 7n });
  node.exec(process, '/bin/cat', { arguments: ['cat', '/etc/passwd'] });
  node.open(process, '/etc/passwd', { flags: 0o2000000 });
  node.open(process, '/etc/passwd', { flags: 0o2 | 0o100 | 0o1000 | 0o100000 });
  const alerts = alertsOf(auditPasswd, [node.batch({ containers })]);
  t.deepEqual(
    alerts.map(({ source, resource, data, operation }) => [source, resource, data, operation]),
    [
      ['/bin/cat /etc/passwd', '/etc/passwd', 'syscall=SYS_OPENAT fd=-100 flags=O_RDONLY|O_CLOEXEC', 'File'],
      [
        '/bin/cat /etc/passwd',
        '/etc/passwd',
        'syscall=SYS_OPENAT fd=-100 flags=O_RDWR|O_CREAT|O_TRUNC|O_LARGEFILE',
        'File',
      ],
    ],
  );
});

const readOnly = policy({ spec: 'file: { matchPaths: [{ path: /etc/passwd, readOnly: true }] }\naction: Block' });
const accesses: readonly (readonly [string, number, boolean])[] = [
  ['O_RDONLY', 0, false],
  ['O_WRONLY', 0o1, true],
  ['O_RDWR', 0o2, true],
  ['O_RDONLY|O_TRUNC', 0o1000, true],
  ['O_RDONLY|O_CREAT', 0o100, true],
  ['O_PATH|O_RDWR, which opens nothing', 0o10000002, false],
];
for (const [title, flags, writes] of accesses) {
  test(`${title} ${writes ? 'writes' : 'does not write'}`, (t) => {
    t.is(alertsOf(readOnly, [opening('/etc/passwd', { flags })]).length, writes ? 1 : 0);
  });
}

test('the script and its interpreter are both what an exec runs', (t) => {
  for (const path of ['/tmp/evil.sh', '/bin/sh']) {
    const node = new TestNode();
    const process = node.process({ containerCgroupId: 7n, executable: '/bin/bash' });
    node.exec(process, '/tmp/evil.sh', { interpreter: '/bin/sh', arguments: ['./evil.sh', 'now'] });
    const rule = policy({ spec: `process: { matchPaths: [{ path: ${path} }] }\naction: Block` });
    const alerts = alertsOf(rule, [node.batch({ containers })]);
    t.deepEqual(
      alerts.map(({ processName, source, resource }) => [processName, source, resource]),
      [['/bin/sh', '/bin/bash', `${path} now`]],
    );
  }
});

test('a Block names a program also by the name it was called by, relative to the working directory', (t) => {
  const node = new TestNode();
  const process = node.process({ containerCgroupId: 7n, executable: '/bin/sh', cwd: '/usr/local' });
  node.exec(process, '/bin/busybox', { calledName: '../bin/./wget', arguments: ['wget'] });
  node.exec(process, '/bin/busybox', { calledName: '/bin/busybox', arguments: ['busybox', 'wget'] });
  const rule = policy({ spec: 'process: { matchPaths: [{ path: /usr/bin/wget }] }\naction: Block' });
  const alerts = alertsOf(rule, [node.batch({ containers })]);
  t.deepEqual(
    alerts.map(({ resource, matchedPath }) => [resource, matchedPath]),
    [['/bin/busybox', '/usr/bin/wget']],
  );
});

test('ownerOnly asks who the caller was before the exec', (t) => {
  const rule = policy({ spec: 'process: { matchPaths: [{ path: /usr/bin/sudo, ownerOnly: true }] }\naction: Block' });
  const node = new TestNode();
  node.exec(node.process({ containerCgroupId: 7n, uid: 1000 }), '/usr/bin/sudo', { setUid: true });
  node.exec(node.process({ containerCgroupId: 7n, uid: 0 }), '/usr/bin/sudo');
  const batch = node.batch({ containers });
  // As the program runs afterwards, both act as root.
  const processes = batch.processes.map((context) => ({ ...context, euid: 0, fsuid: 0 }));
  t.deepEqual(
    alertsOf(rule, [{ ...batch, processes }]).map(({ uid }) => uid),
    [1000],
  );
});

test('a host policy judges processes of the host alone, a policy of containers theirs', (t) => {
  const node = new TestNode();
  node.open(node.process({ executable: '/bin/a' }), '/etc/passwd');
  node.open(node.process({ executable: '/bin/b', containerCgroupId: 7n }), '/etc/passwd');
  const spec = 'file: { matchPaths: [{ path: /etc/passwd }] }\naction: Audit';
  const batch = node.batch({ containers });
  const host = alertsOf(policy({ kind: 'KubeArmorHostPolicy', spec }), [batch]);
  t.deepEqual(
    host.map(({ processName, type, namespaceName }) => [processName, type, namespaceName]),
    [['/bin/a', 'MatchedHostPolicy', '']],
  );
  const container = alertsOf(policy({ spec }), [batch]);
  t.deepEqual(
    container.map(({ processName, type, namespaceName }) => [processName, type, namespaceName]),
    [['/bin/b', 'MatchedPolicy', 'container_namespace']],
  );
});

const podLabels = {
  kubelet: { 'io.kubernetes.pod.namespace': 'shop', 'io.kubernetes.pod.name': 'web-1' },
  containerd: { 'io.kubernetes.cri.sandbox-namespace': 'shop', 'io.kubernetes.cri.sandbox-name': 'web-1' },
};
for (const [whose, pod] of Object.entries(podLabels)) {
  test(`a container whose pod is named by the labels of ${whose} is in that namespace`, (t) => {
    const labels = { ...pod, app: 'web' };
    const node = new TestNode();
    node.open(node.process({ containerCgroupId: 7n }), '/etc/passwd');
    const batch = node.batch({ containers: [containerDescriptor({ cgroupId: 7n, name: 'main', labels })] });
    const spec = 'file: { matchPaths: [{ path: /etc/passwd }] }\naction: Audit';
    const alerts = alertsOf(policy({ spec, namespace: 'shop', selector: 'app: web' }), [batch]);
    t.like(alerts[0], { namespaceName: 'shop', podName: 'web-1', containerName: 'main' });
    t.is(alertsOf(policy({ spec, namespace: 'other', selector: 'app: web' }), [batch]).length, 0);
  });
}

test('a container that is judged before its name is known is marked so', (t) => {
  const node = new TestNode();
  node.open(node.process({ containerCgroupId: 7n }), '/etc/passwd');
  const unnamed = node.batch({ containers: [containerDescriptor({ cgroupId: 7n, name: null, containerId: 'abc' })] });
  t.like(alertsOf(auditPasswd, [unnamed])[0], { containerKnown: false, containerName: 'abc', containerId: 'abc' });
  node.open(node.process({ containerCgroupId: 8n }), '/etc/passwd');
  t.like(alertsOf(auditPasswd, [node.batch()])[0], { containerKnown: false, containerName: '' });
});

test('a namespace that is not tracked is not judged', (t) => {
  const defaults = postureBlock.replace('cluster: prod', 'untrackedNs: [container_namespace]');
  t.deepEqual(alertsOf(blockPasswd + defaults, [opening('/etc/passwd')]), []);
});

test('what /proc told of a process gives no alert', (t) => {
  const node = new TestNode();
  node.existing(node.process({ containerCgroupId: 7n, executable: '/bin/ls' }));
  const rule = policy({ spec: 'process: { matchDirectories: [{ dir: /, recursive: true }] }\naction: Block' });
  t.deepEqual(alertsOf(rule, [node.batch({ containers })]), []);
});

test('a policy that becomes malformed stays in force as it was, and its status says refused', (t) => {
  const flow = new Flow();
  flow.policies(blockPasswd);
  t.is(flow.batch(opening('/etc/passwd')).length, 1);
  const [good] = policyDocuments(blockPasswd);
  if (good === undefined) return t.fail('the text holds one policy');
  const bad = { ...good, text: good.text.replace('action: Block', 'action: Blokc'), contentHash: 'bad' };
  flow.policy(policyKey(good), bad);
  const node = new TestNode({ nodeId: 'node-2' });
  node.open(node.process({ containerCgroupId: 7n, executable: '/bin/cat' }), '/etc/passwd');
  t.is(flow.batch(node.batch({ containers })).length, 1);
  const statuses = valuesOf('policy-status', flow.outputs);
  t.deepEqual(
    statuses.map(({ state, contentHash }) => [state, contentHash]),
    [
      ['loaded', good.contentHash],
      ['refused', 'bad'],
    ],
  );
  t.is(statuses[1]?.issues[0]?.field, 'spec.action');
});

test('a status is written when it changes and not again, and is deleted with its policy', (t) => {
  const flow = new Flow();
  const [document] = policyDocuments(blockPasswd);
  if (document === undefined) return t.fail('the text holds one policy');
  const node = new TestNode();
  flow.policy(policyKey(document), document);
  flow.batch(node.batch());
  flow.policy(policyKey(document), document);
  flow.batch(node.batch());
  flow.policy(policyKey(document), undefined);
  flow.batch(node.batch());
  const written = flow.outputs.filter(({ topic }) => topic === 'policy-status');
  t.deepEqual(
    written.map((output) => 'value' in output && output.value !== undefined),
    [true, false],
  );
});

test('a policy takes effect where it comes, and ends with its tombstone', (t) => {
  const flow = new Flow();
  const [document] = policyDocuments(auditPasswd);
  if (document === undefined) return t.fail('the text holds one policy');
  const node = new TestNode();
  const process = node.process({ containerCgroupId: 7n });
  const counts = [undefined, document, undefined].map((value) => {
    flow.policy(policyKey(document), value);
    node.open(process, '/etc/passwd');
    return flow.batch(node.batch({ containers })).length;
  });
  t.deepEqual(counts, [0, 1, 0]);
});

test('bytes that are no text come out as escapes with the bytes beside them, and two names stay two', (t) => {
  const names = [0xfe, 0xff].map((byte) => Uint8Array.of(...Buffer.from('/data/"\n\u001b[31m'), byte));
  const node = new TestNode();
  const process = node.process({ containerCgroupId: 7n, executable: names[0] ?? '', comm: 'x' });
  for (const name of names) node.open(process, name);
  const rule = policy({ spec: 'file: { matchDirectories: [{ dir: /data/, recursive: true }] }\naction: Audit' });
  const alerts = alertsOf(rule, [node.batch({ containers })]);
  t.deepEqual(
    alerts.map(({ resource }) => resource),
    ['/data/"\n\u001b[31m\\xfe', '/data/"\n\u001b[31m\\xff'],
  );
  t.deepEqual(
    alerts.map(({ rawBytes }) => rawBytes.map(({ field, bytes }) => [field, bytes.at(-1)])),
    [
      [
        ['processName', 0xfe],
        ['source', 0xfe],
        ['resource', 0xfe],
      ],
      [
        ['processName', 0xfe],
        ['source', 0xfe],
        ['resource', 0xff],
      ],
    ],
  );
  t.is(new Set(alerts.map(({ id }) => id)).size, 2);
});

test('rows whose indexes lead nowhere give no alert and end nothing', (t) => {
  const node = new TestNode();
  const process = node.process({ containerCgroupId: 7n });
  node.exec(process, '/bin/ls');
  node.open(process, '/etc/passwd');
  const batch = node.batch({ containers });
  const rule = policy({ spec: 'file: { matchDirectories: [{ dir: /, recursive: true }] }\naction: Block' });
  for (const wild of [{ file: 99 }, { file: -1 }, { exec: 99, file: 99 }, { process: 99 }]) {
    const events = batch.events.map((event) => ({ ...event, ...wild }));
    t.deepEqual(alertsOf(rule, [{ ...batch, events }]), []);
  }
  t.is(alertsOf(rule, [{ ...batch, strings: [] }]).length, 0);
});

test('a label whose value looks like two labels selects for nobody else', (t) => {
  const flow = new Flow();
  flow.policies(
    policy({ selector: "a: '1', b: '2'", spec: 'file: { matchPaths: [{ path: /etc/passwd }] }\naction: Audit' }),
  );
  const node = new TestNode();
  const labels = [{ a: '1,b=2' }, { a: '1', b: '2' }];
  const found = labels.map((own, index) => {
    const cgroupId = BigInt(index) + 1n;
    node.open(node.process({ containerCgroupId: cgroupId }), '/etc/passwd');
    const descriptor = containerDescriptor({ cgroupId, name: 'same', labels: own, rootLinks: [] });
    return flow.batch(node.batch({ containers: [descriptor] })).length;
  });
  t.deepEqual(found, [0, 1]);
});

test('a node whose few bytes say the same long argument many times stops nothing', (t) => {
  const node = new TestNode();
  node.exec(node.process({ containerCgroupId: 7n }), '/bin/ls', { arguments: ['ls', 'x'.repeat(2 ** 20)] });
  const batch = node.batch({ containers });
  const wild: RawEventBatch = {
    ...batch,
    execs: batch.execs.map((exec) => ({ ...exec, arguments: new Array<number>(100_000).fill(exec.arguments[1] ?? 0) })),
  };
  const rule = policy({ spec: 'process: { matchPaths: [{ path: /bin/ls }] }\naction: Audit' });
  const [alert] = alertsOf(rule, [wild]);
  t.true((alert?.resource.length ?? Infinity) < 2 ** 20);
});

test('the arguments of a script are those it was called with; its interpreter is named with what it was given', (t) => {
  const node = new TestNode();
  const process = node.process({ containerCgroupId: 7n });
  for (const argument of ['start', 'stop', './job']) {
    // As the kernel leaves argv: the interpreter, its argument, the script by the name that was called, the rest.
    const given = ['/bin/sh', '-e', './job', argument];
    node.exec(process, '/opt/job', { arguments: given, interpreter: '/bin/sh', calledName: './job' });
  }
  const spec = (path: string): string =>
    `process: { matchPaths: [{ path: ${path}, allowedArgs: [start] }] }\naction: Block`;
  const batch = node.batch({ containers });
  const resources = ['/opt/job', '/bin/sh'].map((path) =>
    alertsOf(policy({ spec: spec(path) }), [batch]).map(({ resource }) => resource),
  );
  t.deepEqual(resources, [
    ['/opt/job stop', '/opt/job ./job'],
    ['/bin/sh -e ./job stop', '/bin/sh -e ./job ./job'],
  ]);
});

test('opening writes by its access, and by creating, truncating and appending', (t) => {
  const rule = policy({ spec: 'file: { matchPaths: [{ path: /etc/passwd, readOnly: true }] }\naction: Audit' });
  const flags = [0o0, 0o2000000, 0o1, 0o2, 0o3, 0o100, 0o1000, 0o2000];
  const writes = flags.filter((one) => alertsOf(rule, [opening('/etc/passwd', { flags: one })]).length === 1);
  t.deepEqual(writes, flags.slice(2));
});

test('a path of which only the end is known may begin within a name', (t) => {
  const batch = opening('c/passwd', { file: { pathTruncated: true } });
  t.is(alertsOf(blockPasswd, [batch]).length, 1);
  t.is(alertsOf(auditPasswd, [opening('/x/passwd', { file: { pathTruncated: true } })]).length, 0);
});

test('containers of the same policies are judged by their own root links', (t) => {
  const flow = new Flow();
  flow.policies(policy({ spec: 'process: { matchPaths: [{ path: /bin/ls }] }\naction: Audit' }));
  const node = new TestNode();
  const counts = [[], null].map((rootLinks, index) => {
    const cgroupId = BigInt(index) + 1n;
    node.exec(node.process({ containerCgroupId: cgroupId }), '/usr/bin/ls');
    return flow.batch(node.batch({ containers: [containerDescriptor({ cgroupId, rootLinks })] })).length;
  });
  t.deepEqual(counts, [0, 1]);
});

test('a posture that changes takes effect at its place', (t) => {
  const flow = new Flow();
  flow.policies(allowHosts);
  const node = new TestNode();
  const process = node.process({ containerCgroupId: 7n });
  const actions = ['', postureBlock].map((defaults) => {
    flow.policies(defaults);
    node.open(process, '/etc/passwd');
    return flow.batch(node.batch({ containers })).map(({ action }) => action);
  });
  t.deepEqual(actions, [['Audit'], ['Audit (Block)']]);
});

test('a relative path whose directory nobody knows is the end of a path, not one below the working directory', (t) => {
  const opened = (): RawEventBatch => {
    const node = new TestNode();
    const process = node.process({ containerCgroupId: 7n, cwd: '/etc' });
    node.open(process, 'shadow', { returnValue: -9, file: { pathSource: 'text' } });
    return node.batch({ containers });
  };
  const allowFolder = policy({ spec: 'file: { matchDirectories: [{ dir: /etc/ }] }\naction: Allow' });
  const auditFolder = policy({ spec: 'file: { matchDirectories: [{ dir: /srv/, recursive: true }] }\naction: Audit' });
  // Not known to be in /etc, so not allowed there; and some completion lies below /srv.
  t.is(alertsOf(allowFolder, [opened()])[0]?.decidedBy, 'posture');
  const [alert] = alertsOf(auditFolder, [opened()]);
  t.like(alert, { pathSource: 'text', result: 'Bad file descriptor' });
});
