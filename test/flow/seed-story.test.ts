import os from 'node:os';
import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import test, { type ExecutionContext } from 'ava';
import { decidingHierarchy } from '../../collector/cgroup-hierarchy.ts';
import { eventually } from '../support/eventually.ts';
import { FlowHome } from '../support/flow-home.ts';
import { ancestorsOf, isAlive, linuxProcess, type LinuxProcess } from '../support/linux-process.ts';
import { ContainerRoot, RuncContainer } from '../support/flow-container.ts';

/** What dash does in each container: waits for us to look at it, then lets ls tell who it is. */
const command = '/bin/ls -l /proc/self /host/proc/self /proc/self/ns/pid /proc/self/ns/mnt';
const script = `read -r go; ${command}; exit 0`;

const policyText = (name: string, container: string): string => `apiVersion: security.kubearmor.com/v1
kind: KubeArmorPolicy
metadata:
  name: ${name}
  namespace: container_namespace
spec:
  severity: 7
  tags: [T1059, discovery]
  message: ls was run by dash
  selector:
    matchLabels:
      kubearmor.io/container.name: '[${container}]'
  process:
    matchPaths:
      - path: /bin/ls
        fromSource:
          - path: /bin/dash
  action: Block
`;

/** What the machine itself says about the story. */
interface Facts {
  readonly dash: LinuxProcess;
  readonly ancestors: readonly LinuxProcess[];
  readonly cgroupId: string;
  /** Ids of ls, as ls read them. */
  readonly pid: number;
  readonly hostPid: number;
  readonly pidNamespace: number;
  readonly mountNamespace: number;
  readonly fromMs: number;
  readonly toMs: number;
}

async function playStory(name: string, root: ContainerRoot): Promise<Facts> {
  const fromMs = Date.now();
  await using container = new RuncContainer(name, root, ['/bin/dash', '-c', script]);
  const pid = await container.hostPid();
  const [dash, ancestors, cgroupId] = [linuxProcess(pid), ancestorsOf(pid), cgroupIdOf(pid)];
  const output = await container.finish('go');
  const number = (pattern: RegExp): number => Number(pattern.exec(output)?.[1]);
  return {
    dash,
    ancestors,
    cgroupId,
    pid: number(/ \/proc\/self -> (\d+)/u),
    hostPid: number(/ \/host\/proc\/self -> (\d+)/u),
    pidNamespace: number(/pid:\[(\d+)\]/u),
    mountNamespace: number(/mnt:\[(\d+)\]/u),
    fromMs,
    toMs: Date.now(),
  };
}

/** Inode number of the cgroup of a process, which is its id, in the hierarchy that decides on this machine. */
function cgroupIdOf(pid: number): string {
  const { mountPoint, deciding } = decidingHierarchy();
  const controller = deciding === 'pids' ? /^\d+:(?:[^:]*,)?pids(?:,[^:]*)?:(.*)$/mu : /^0::(.*)$/mu;
  const [, folder = ''] = controller.exec(readFileSync(`/proc/${pid}/cgroup`, 'utf8')) ?? [];
  return String(statSync(path.join(mountPoint, folder), { bigint: true }).ino);
}

/** The alert as KubeArmor's clients have it: exactly these fields. */
function assertJson(t: ExecutionContext, alert: Readonly<Record<string, unknown>>, expected: Expected): void {
  const { facts, name, folder, nodeId } = expected;
  const { Timestamp, UpdatedTime, ...rest } = alert;
  t.deepEqual(rest, {
    ClusterName: 'default',
    HostName: os.hostname(),
    NamespaceName: 'container_namespace',
    PodName: name,
    Labels: `kubearmor.io/container.name=${name},namespaceName=container_namespace`,
    ContainerID: name,
    ContainerName: name,
    HostPPID: facts.dash.pid,
    HostPID: facts.hostPid,
    PPID: 1,
    PID: facts.pid,
    UID: 0,
    ParentProcessName: `${folder}/dash`,
    ProcessName: `${folder}/ls`,
    PolicyName: `ls-${name}`,
    Severity: '7',
    Tags: 'T1059,discovery',
    ATags: ['T1059', 'discovery'],
    Message: 'ls was run by dash',
    Type: 'MatchedPolicy',
    Source: `${folder}/dash`,
    Operation: 'Process',
    Resource: `${folder}/ls${command.slice('/bin/ls'.length)}`,
    Data: 'syscall=SYS_EXECVE',
    EventData: { Syscall: 'SYS_EXECVE' },
    Enforcer: 'eBPF Monitor',
    Action: 'Audit (Block)',
    Result: 'Passed',
    Cwd: '/',
    NodeID: nodeId,
  });
  const keys = Object.keys(alert);
  t.deepEqual(
    keys.slice(0, 5),
    ['Timestamp', 'UpdatedTime', 'ClusterName', 'HostName', 'NamespaceName'],
    'in this order',
  );
  t.regex(String(UpdatedTime), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/u);
  const atMs = Date.parse(String(UpdatedTime));
  t.true(atMs >= facts.fromMs && atMs <= facts.toMs, 'when it happened');
  t.is(Timestamp, Math.floor(atMs / 1000));
}

interface Expected {
  readonly facts: Facts;
  readonly name: string;
  /** Where the programs really lie in this root. */
  readonly folder: string;
  readonly nodeId: string;
}

interface Ancestor {
  readonly host_pid: number;
  readonly start_time_ns: string | number;
  readonly executable: string;
}

/** What is ours in the alert, beside KubeArmor's fields. */
function assertRow(t: ExecutionContext, row: Readonly<Record<string, unknown>>, expected: Expected): void {
  const { facts, name, folder, nodeId } = expected;
  const { ancestry, id, session, cpu, sequence, kernel_time_ns, process_start_time_ns, time, time_unix_ns, ...rest } =
    row;
  const rule = {
    rule_policy_kind: 'KubeArmorPolicy',
    rule_policy_namespace: 'container_namespace',
    rule_policy_name: `ls-${name}`,
    rule_action: 'Block',
    rule_block: 'process',
    rule_list: 'matchPaths',
    rule_index: 0,
    rule_file: `${name}.yaml`,
    rule_line: 15,
    rule_column: 9,
  };
  t.deepEqual(rest, {
    ...rule,
    cluster_name: 'default',
    host_name: os.hostname(),
    namespace_name: 'container_namespace',
    owner_ref: '',
    owner_name: '',
    owner_namespace: '',
    pod_name: name,
    labels: `kubearmor.io/container.name=${name},namespaceName=container_namespace`,
    container_id: name,
    container_name: name,
    container_image: '',
    host_ppid: facts.dash.pid,
    host_pid: facts.hostPid,
    ppid: 1,
    pid: facts.pid,
    uid: '0',
    parent_process_name: `${folder}/dash`,
    process_name: `${folder}/ls`,
    policy_name: `ls-${name}`,
    severity: '7',
    tags: ['T1059', 'discovery'],
    message: 'ls was run by dash',
    type: 'MatchedPolicy',
    source: `${folder}/dash`,
    operation: 'Process',
    resource: `${folder}/ls${command.slice('/bin/ls'.length)}`,
    data: 'syscall=SYS_EXECVE',
    enforcer: 'eBPF Monitor',
    action: 'Audit (Block)',
    result: 'Passed',
    cwd: '/',
    tty: '',
    node_id: nodeId,
    boot_id: readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(),
    origin: 'live',
    event_operation: 'exec',
    syscall: 59,
    return_value: '0',
    host_tid: facts.hostPid,
    tid: facts.pid,
    euid: '0',
    fsuid: '0',
    gid: '0',
    login_uid: readFileSync('/proc/self/loginuid', 'utf8'),
    pid_namespace: String(facts.pidNamespace),
    mount_namespace: String(facts.mountNamespace),
    cgroup_id: facts.cgroupId,
    container_cgroup_id: facts.cgroupId,
    comm: 'ls',
    ancestry_complete: true,
    path_source: 'object',
    path_truncated: false,
    old_path: '',
    new_path: '',
    matched_path: folder === '/bin' ? '' : '/bin/ls',
    decided_by: 'rule',
    enforcement: 'notEnforced',
    overruled: [],
    container_known: true,
    raw_bytes_hex: {},
  });
  t.true(typeof id === 'string' && id !== '');
  t.true(Number(session) > 0 && Number(cpu) >= 0 && Number(cpu) < os.cpus().length && Number(sequence) > 0);
  t.true(Number(process_start_time_ns) > Number(session) && Number(process_start_time_ns) < Number(kernel_time_ns));
  t.is(Date.parse(`${String(time).replace(' ', 'T')}Z`), Number(BigInt(String(time_unix_ns)) / 1_000_000n));

  const known = new Map([facts.dash, ...facts.ancestors].map((ancestor) => [ancestor.pid, ancestor]));
  const told = (ancestry as readonly Ancestor[]).map(({ host_pid, start_time_ns, executable }) => ({
    pid: host_pid,
    startTicks: Math.floor(Number(start_time_ns) / 10_000_000),
    // What /proc does not tell us we can't compare; dash's is as its root has it.
    executable: known.get(host_pid)?.executable === undefined ? undefined : executable,
  }));
  t.deepEqual(
    told.filter(({ pid }) => known.has(pid)),
    [{ ...facts.dash, executable: `${folder}/dash` }, ...facts.ancestors].map(({ pid, startTicks, executable }) => ({
      pid,
      startTicks,
      executable,
    })),
    'ancestry is dash, runc, this test, and on to the first process',
  );
  // Who made whom, not who adopted whom: between dash and `runc run` are the processes of runc that made the namespaces and ended.
  const between = told.slice(1, -facts.ancestors.length).map(({ pid }) => pid);
  t.true(between.length <= 2 && between.every((pid) => !isAlive(pid)), `between: ${between.join(' ')}`);
  t.true(told.some(({ pid }) => pid === process.pid));
}

for (const layout of ['merged', 'unmerged'] as const) {
  test(`dash runs ls in one container of a root with ${layout} /usr: exactly one alert, complete, here and in SQL, and none of another container`, async (t) => {
    using root = await ContainerRoot.make(layout);
    await using home = new FlowHome();
    const [name, other] = [`seed-${layout}-${process.pid}`, `other-${layout}-${process.pid}`];
    home.writePolicyText(`${name}.yaml`, policyText(`ls-${name}`, name));
    const up = await home.up();

    await playStory(other, root);
    const facts = await playStory(name, root);
    await playStory(other, root);
    await home.settled();

    const nodeId = readFileSync(path.join(home.dataDirectory, 'node-id'), 'utf8').trim();
    const expected = { facts, name, folder: layout === 'merged' ? '/usr/bin' : '/bin', nodeId };
    const rows = await home.rows<Readonly<Record<string, unknown>>>(
      `SELECT * REPLACE (toString(time_unix_ns) AS time_unix_ns) FROM alerts WHERE policy_name = 'ls-${name}' OR container_id != ''`,
    );
    t.is(rows.length, 1);
    assertRow(t, rows[0] ?? {}, expected);

    const shown = await eventually('the alert on the terminal', () => {
      const lines = up.output.split('\n').filter((line) => line.includes('container_namespace'));
      return lines.length > 0 ? lines : undefined;
    });
    t.is(shown.length, 1);
    assertJson(t, JSON.parse(shown[0] ?? '') as Readonly<Record<string, unknown>>, expected);

    const told = await home.sql<{ readonly container_name: string }>(
      `SELECT container_name FROM alerts WHERE policy_name = 'ls-${name}'`,
    );
    t.deepEqual(told, [{ container_name: name }], 'as `palisade sql` has it');
  });
}
