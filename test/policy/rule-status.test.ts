import test from 'ava';
import { isPolicy, parsePolicy } from '../../policy/parse.ts';
import { fieldOfRule } from '../../policy/rule-place.ts';
import { ruleStatuses } from '../../policy/rule-status.ts';

function statusesOf(spec: string, kind = 'KubeArmorPolicy'): readonly string[] {
  const text = `apiVersion: security.kubearmor.com/v1
kind: ${kind}
metadata: { name: p }
spec:
${spec}`;
  const { policy, issues } = parsePolicy({ text, file: 'p.yaml', firstLine: 1 });
  if (policy === undefined || !isPolicy(policy)) throw new Error(JSON.stringify(issues));
  return ruleStatuses(policy).map(({ place, state }) => `${fieldOfRule(place)} ${state}`);
}

test('every rule of the language has a status, in the order of the text', (t) => {
  const statuses = statusesOf(`
  process: { matchPaths: [{ path: /a }, { execname: b }] }
  file: { matchPatterns: [{ pattern: '*.sh' }] }
  network: { matchProtocols: [{ protocol: tcp }], matchDNSQueries: [{ domain: a.com }] }
  capabilities: { matchCapabilities: [{ capability: net_raw }] }
  syscalls: { matchSyscalls: [{ syscall: [unlink] }], matchPaths: [{ path: /a/, syscall: [open] }] }
  presets: [{ name: filelessExec, action: Block }]
  apparmor: 'deny /tmp/** w,'
  action: Audit
`);
  t.deepEqual(statuses, [
    'spec.process.matchPaths[0] loaded',
    'spec.process.matchPaths[1] loaded',
    'spec.file.matchPatterns[0] loaded',
    'spec.network.matchProtocols[0] loaded',
    'spec.network.matchDNSQueries[0] notObserved',
    'spec.capabilities.matchCapabilities[0] notObserved',
    'spec.syscalls.matchSyscalls[0] notObserved',
    'spec.syscalls.matchPaths[0] notObserved',
    'spec.presets[0] notObserved',
    'spec.apparmor notEnforceable',
  ]);
});

test('host and network policies have rules of their own', (t) => {
  const node = 'nodeSelector: { matchLabels: { a: b } }';
  t.deepEqual(
    statusesOf(
      `  ${node}\n  device: { matchDevice: [{ class: ALL }, { class: 0x08, level: 1 }] }\n`,
      'KubeArmorHostPolicy',
    ),
    ['spec.device.matchDevice[0] notObserved', 'spec.device.matchDevice[1] notObserved'],
  );
  const connections = `  ${node}
  ingress: [{ from: [{ ipBlock: { cidr: 10.0.0.0/8 } }], ports: [{ port: ssh, protocol: TCP }] }]
  egress: [{ to: [{ ipBlock: { cidr: '::/0' } }], iface: [eth0], ports: [{ port: 8000, endPort: 8010 }] }]
`;
  t.deepEqual(statusesOf(connections, 'KubeArmorNetworkPolicy'), [
    'spec.ingress[0] notObserved',
    'spec.egress[0] notObserved',
  ]);
});

test('a rule that says what an earlier one says is shadowed by it, on every root and whatever its words', (t) => {
  const statuses = statusesOf(`
  file:
    matchPaths:
      - { path: /bin/a, severity: 3 }
      - { path: //bin/a, severity: 9 }
      - { path: /usr/bin/a }
      - { path: /bin/a, readOnly: true }
      - { path: /bin/a, action: Audit }
    matchPatterns:
      - pattern: '/{x,y}/*'
      - pattern: '/{y,x}/*'
`);
  t.deepEqual(
    statuses.map((status) => status.split(' ')[1]),
    ['loaded', 'shadowed', 'loaded', 'loaded', 'loaded', 'loaded', 'shadowed'],
  );
});

test('rules that can apply to nothing say so', (t) => {
  const directories = "  process: { matchPatterns: [{ pattern: '/opt/*/' }, { pattern: '/opt/{a/,b}' }] }\n";
  t.deepEqual(statusesOf(directories), [
    'spec.process.matchPatterns[0] neverApplies',
    'spec.process.matchPatterns[1] loaded',
  ]);
  const nobody =
    '  selector: { matchLabels: { pod-template-hash: x } }\n  file: { matchPaths: [{ path: /a }] }\n  presets: [{ name: exec }]\n';
  t.deepEqual(statusesOf(nobody), ['spec.file.matchPaths[0] neverApplies', 'spec.presets[0] neverApplies']);
});

test('an Allow of which nothing can say whether it is an exception is loaded, and says so', (t) => {
  const text = `apiVersion: security.kubearmor.com/v1
kind: KubeArmorPolicy
metadata: { name: p }
spec:
  file:
    matchPatterns:
      - { pattern: '/srv/*[ac]????????', action: Block }
      - { pattern: '/srv/*[ab]????????', action: Allow }
      - { pattern: '/srv/a????????', action: Allow }
`;
  const { policy, issues } = parsePolicy({ text, file: 'p.yaml', firstLine: 1 });
  if (policy === undefined || !isPolicy(policy)) throw new Error(JSON.stringify(issues));
  const [, undecided, decided] = ruleStatuses(policy);
  t.like(undecided, { state: 'loaded' });
  t.regex(undecided?.reason ?? '', /Block at line 7 takes too long to decide/);
  t.like(decided, { state: 'loaded', reason: '' });
});
