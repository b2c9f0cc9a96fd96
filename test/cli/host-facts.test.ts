import test, { type ExecutionContext } from 'ava';
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import {
  cgroupsFact,
  hooksFact,
  iteratorsNeeded,
  kernelFact,
  landlockFact,
  lockdownFact,
  lsmFact,
  pidNamespaceFact,
  privilegesFact,
  tracepointsNeeded,
  type HostFact,
} from '../../cli/host-facts.ts';
import { packageRoot } from '../../cli/package-root.ts';

const initialUsers = '         0          0 4294967295\n';

function status(effective: string): string {
  return `Name:\tnode\nCapPrm:\t000001ffffffffff\nCapEff:\t${effective}\n`;
}

/** String section of a BTF, with these names in it. */
function btfOf(names: readonly string[]): Uint8Array {
  return Buffer.from(`\0void\0${names.join('\0')}\0`);
}

const allNames = [
  ...tracepointsNeeded.map((name) => `btf_trace_${name}`),
  ...iteratorsNeeded.map((name) => `bpf_iter_${name}`),
];

test('the hooks that are looked for are those of the programs', (t) => {
  const files = globSync('bpf/**/*.{c,h}', { cwd: packageRoot() });
  const sources = files.map((file) => readFileSync(path.join(packageRoot(), file), 'utf8')).join('\n');
  const hooks = [...sources.matchAll(/SEC\("([a-z_]+)\/([a-z_0-9]+)"\)/gu)].map(([, kind, name]) => `${kind}/${name}`);
  const expected = [
    ...iteratorsNeeded.map((name) => `iter/${name}`),
    ...tracepointsNeeded.map((name) => `tp_btf/${name}`),
  ];
  t.deepEqual([...new Set(hooks)].sort(), expected.sort());
});

function is(t: ExecutionContext, fact: HostFact, state: HostFact['state'], found: RegExp): void {
  t.is(fact.state, state);
  t.regex(fact.found, found);
  t.not(fact.follows, '', 'everything says what follows from it');
  t.is(fact.remedy === '', state === 'yes', 'and what to do, unless nothing is to be done');
  t.notRegex(fact.found + fact.follows + fact.remedy, /[\u0000-\u001f\u007f-\u009f\u202e]/u);
}

test('a tested kernel', is, kernelFact('6.18.44-x'), 'yes', /: tested/u);
test('a kernel that nobody tested', is, kernelFact('6.1.0-28-amd64'), 'limited', /not one that is tested/u);
test('6.180 is not 6.18', is, kernelFact('6.180.1'), 'limited', /not one/u);
test('all hooks', is, hooksFact(btfOf(allNames)), 'yes', /^all \d+ are there$/u);
test('no BTF', is, hooksFact(undefined), 'unknown', /no BTF/u);
test(
  'a hook of which only a longer name is there',
  is,
  hooksFact(btfOf([...allNames.filter((name) => name !== 'btf_trace_sys_exit'), 'btf_trace_sys_exit_more'])),
  'no',
  /^missing: sys_exit$/u,
);
test('no iterator', is, hooksFact(btfOf(allNames.slice(0, -1))), 'no', /^missing: iterator task$/u);
test('all privileges', is, privilegesFact(status('000001ffffffffff'), initialUsers), 'yes', /CAP_SYS_ADMIN/u);
test('the two of them are enough', is, privilegesFact(status('000000c000000000'), initialUsers), 'yes', /CAP_BPF/u);
test('one is missing', is, privilegesFact(status('0000008000000000'), initialUsers), 'no', /^lacks CAP_PERFMON$/u);
test(
  'root of a container',
  is,
  privilegesFact(status('00000000a80425fb'), initialUsers),
  'no',
  /CAP_BPF, CAP_PERFMON/u,
);
test('no status at all', is, privilegesFact('', initialUsers), 'no', /lacks/u);
test(
  'root of a user namespace, which has every capability there',
  is,
  privilegesFact(status('000001ffffffffff'), '         0       1000          1\n'),
  'no',
  /user namespace/u,
);
test('the initial pid namespace', is, pidNamespaceFact('pid:[4026531836]'), 'yes', /own/u);
test('another pid namespace', is, pidNamespaceFact('pid:[4026532201]'), 'limited', /container/u);
test('a layout of cgroups', is, cgroupsFact('hybrid/pids', ''), 'yes', /^hybrid\/pids$/u);
test('no hierarchy', is, cgroupsFact(undefined, 'not mounted\u001b[2J'), 'no', /not mounted/u);
test('BPF among the security modules', is, lsmFact('lockdown,capability,bpf\n'), 'yes', /bpf/u);
test('no BPF among them', is, lsmFact('capability,\u001b[2J'), 'limited', /capability/u);
test('no securityfs', is, lsmFact(undefined), 'unknown', /securityfs/u);
test('no lockdown', is, lockdownFact('[none] integrity confidentiality\n'), 'yes', /^none$/u);
test('the strictest lockdown', is, lockdownFact('none integrity [confidentiality]\n'), 'no', /^confidentiality$/u);
test('a lockdown that nobody knows', is, lockdownFact(undefined), 'unknown', /securityfs/u);
test('Landlock that confines', is, landlockFact(true), 'yes', /confines/u);
test('Landlock that does not', is, landlockFact(false), 'limited', /does not/u);
test('Landlock that could not be tried', is, landlockFact(undefined), 'unknown', /tried/u);

test('a module that denies shows in what follows', (t) => {
  t.regex(lsmFact('capability,apparmor,bpf').follows, /apparmor denies shows in alerts as denied by something else/u);
  t.notRegex(lsmFact('capability,bpf').follows, /denies/u);
});
