import { printable } from '../runtime/printable.ts';

/** Something about this machine, what follows from it for Palisade, and what to do about it. */
export interface HostFact {
  readonly name: string;
  /** `limited`: something is less than it could be. `unknown`: nobody could tell without changing the machine. */
  readonly state: 'yes' | 'limited' | 'no' | 'unknown';
  /** Without it the kernel can't be watched. */
  readonly needed: boolean;
  readonly found: string;
  readonly follows: string;
  /** Empty where nothing is to be done. */
  readonly remedy: string;
}

/** Series on which the suites are run; docs/operating.md says the same. */
const testedKernels: readonly string[] = ['6.18'];

/** Tracepoints that the programs of bpf/ attach to; a test holds this list against their sources. */
export const tracepointsNeeded: readonly string[] = [
  'cgroup_attach_task',
  'cgroup_mkdir',
  'cgroup_rmdir',
  'sched_process_exec',
  'sched_process_exit',
  'sched_process_fork',
  'sys_enter',
  'sys_exit',
];
/** Iterators that they attach to. */
export const iteratorsNeeded: readonly string[] = ['task'];

const recordingInstead = '`palisade up` plays the recording instead.';

/** By the release as uname(2) has it. */
export function kernelFact(release: string): HostFact {
  const series = release.split('.').slice(0, 2).join('.');
  const isTested = testedKernels.includes(series);
  return {
    name: 'kernel series',
    state: isTested ? 'yes' : 'limited',
    needed: false,
    found: `${printable(release)}: ${isTested ? 'tested' : `not one that is tested (${testedKernels.join(', ')})`}`,
    follows: isTested
      ? 'What the documents say was measured on this series.'
      : 'From 5.15 on it is expected to work; the loader refuses what it could not watch.',
    remedy: isTested ? '' : 'Run `npm run test:kernel` here once.',
  };
}

/**
 * By the kernel's BTF. A tracepoint that a program can attach to has a typedef `btf_trace_NAME` there (libbpf, btf.h:
 * BTF_TRACE_PREFIX), an iterator a function `bpf_iter_NAME`; names are strings that end with a zero byte.
 */
export function hooksFact(btf: Uint8Array | undefined): HostFact {
  const fact = { name: 'hooks', needed: true } as const;
  if (btf === undefined) {
    const remedy = 'Use a kernel built with CONFIG_DEBUG_INFO_BTF, as those of distributions are.';
    return { ...fact, state: 'unknown', found: 'no BTF to look them up in', follows: recordingInstead, remedy };
  }
  const strings = Buffer.from(btf.buffer, btf.byteOffset, btf.byteLength);
  const has = (name: string): boolean => strings.includes(`\0${name}\0`);
  const missing = [
    ...tracepointsNeeded.filter((name) => !has(`btf_trace_${name}`)),
    ...iteratorsNeeded.filter((name) => !has(`bpf_iter_${name}`)).map((name) => `iterator ${name}`),
  ];
  const all = tracepointsNeeded.length + iteratorsNeeded.length;
  if (missing.length === 0) {
    const follows = 'Every operation is seen from tracepoints alone; no kprobe and no LSM hook is needed.';
    return { ...fact, state: 'yes', found: `all ${all} are there`, follows, remedy: '' };
  }
  const remedy = 'Use a kernel with CONFIG_BPF_EVENTS, CONFIG_CGROUPS and CONFIG_HAVE_SYSCALL_TRACEPOINTS.';
  return { ...fact, state: 'no', found: `missing: ${missing.join(', ')}`, follows: recordingInstead, remedy };
}

/** Bits of capabilities (include/uapi/linux/capability.h). */
const capabilities = { CAP_SYS_ADMIN: 21, CAP_PERFMON: 38, CAP_BPF: 39 } as const;

/**
 * By the text of /proc/self/status and /proc/self/uid_map. Loading tracing programs takes CAP_BPF and CAP_PERFMON, or
 * CAP_SYS_ADMIN, of the initial user namespace (capabilities(7); kernel/bpf/syscall.c, bpf_prog_load).
 */
export function privilegesFact(status: string, uidMap: string): HostFact {
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]{1,16})$/mu.exec(status)?.[1] ?? '0'}`);
  const has = (name: keyof typeof capabilities): boolean => ((effective >> BigInt(capabilities[name])) & 1n) === 1n;
  const fact = { name: 'privileges', needed: true } as const;
  // The initial user namespace alone maps all ids to themselves (user_namespaces(7)).
  if (!/^\s*0\s+0\s+4294967295\s*$/u.test(uidMap)) {
    const remedy =
      "Run it outside the user namespace: as the machine's root, or in a container without user remapping.";
    return { ...fact, state: 'no', found: 'in a user namespace of its own', follows: recordingInstead, remedy };
  }
  const lacks = has('CAP_SYS_ADMIN') ? [] : (['CAP_BPF', 'CAP_PERFMON'] as const).filter((name) => !has(name));
  if (lacks.length === 0) {
    const follows = 'Programs can be loaded.';
    return {
      ...fact,
      state: 'yes',
      found: has('CAP_SYS_ADMIN') ? 'CAP_SYS_ADMIN' : 'CAP_BPF, CAP_PERFMON',
      follows,
      remedy: '',
    };
  }
  const remedy = 'Run it with sudo; in a container, give it these capabilities.';
  return { ...fact, state: 'no', found: `lacks ${lacks.join(', ')}`, follows: recordingInstead, remedy };
}

/** Inode of the initial pid namespace in /proc/self/ns/pid (include/linux/proc_ns.h, PROC_PID_INIT_INO). */
const initialPidNamespace = 'pid:[4026531836]';

/** By the link /proc/self/ns/pid. */
export function pidNamespaceFact(link: string): HostFact {
  const isInitial = link === initialPidNamespace;
  return {
    name: 'pid namespace',
    state: isInitial ? 'yes' : 'limited',
    needed: false,
    found: isInitial ? "the machine's own" : 'one of a container',
    follows: isInitial
      ? 'Host pids in alerts are those that ps shows here.'
      : "Palisade can't find its own processes by their host pids, and would record what it does itself.",
    remedy: isInitial ? '' : 'Run it on the host, or in a container with the pid namespace of the host.',
  };
}

/** By the layout that the collector chose, such as `hybrid/pids`; `undefined` with the reason where it could not. */
export function cgroupsFact(layout: string | undefined, reason: string): HostFact {
  const fact = { name: 'cgroup layout', needed: true } as const;
  if (layout === undefined)
    return {
      ...fact,
      state: 'no',
      found: printable(reason),
      follows: recordingInstead,
      remedy: 'Mount it as it says.',
    };
  const hierarchy = layout.endsWith('/pids') ? "v1's pids controller" : 'v2';
  const follows = `Containers are told apart by their cgroups in ${hierarchy}.`;
  return { ...fact, state: 'yes', found: layout, follows, remedy: '' };
}

const mountSecurityfs = 'mount -t securityfs securityfs /sys/kernel/security';

/** By the text of /sys/kernel/security/lsm; `undefined` where securityfs is not mounted. */
export function lsmFact(text: string | undefined): HostFact {
  const fact = { name: 'security modules', needed: false } as const;
  if (text === undefined) {
    const follows = 'Nothing today: watching needs none. Enforcement, which is to come, will.';
    return { ...fact, state: 'unknown', found: 'securityfs is not mounted', follows, remedy: mountSecurityfs };
  }
  const modules = text.trim().split(',').map(printable);
  const deniers = modules.filter((name) => ['apparmor', 'selinux', 'smack', 'tomoyo'].includes(name));
  const denied =
    deniers.length === 0 ? '' : ` What ${deniers.join(' and ')} denies shows in alerts as denied by something else.`;
  const hasBpf = modules.includes('bpf');
  return {
    ...fact,
    state: hasBpf ? 'yes' : 'limited',
    found: modules.join(', '),
    follows: `Watching needs none. Enforcement by BPF-LSM, which is to come, ${hasBpf ? 'can work here' : 'could not work here'}.${denied}`,
    remedy: hasBpf ? '' : `Boot with lsm=${modules.join(',')},bpf on a kernel with CONFIG_BPF_LSM.`,
  };
}

/** By the text of /sys/kernel/security/lockdown, such as `none [integrity] confidentiality`. */
export function lockdownFact(text: string | undefined): HostFact {
  const fact = { name: 'lockdown', needed: false } as const;
  if (text === undefined) {
    const follows = 'In the mode confidentiality the kernel would refuse the programs; the loader then says so.';
    const found = 'no securityfs, or a kernel without lockdown';
    return { ...fact, state: 'unknown', found, follows, remedy: mountSecurityfs };
  }
  const mode = printable(/\[(.*?)\]/u.exec(text)?.[1] ?? text.trim());
  if (mode !== 'confidentiality')
    return { ...fact, state: 'yes', found: mode, follows: 'It does not keep programs from reading.', remedy: '' };
  // Documentation: kernel_lockdown(7); security/lockdown, LOCKDOWN_BPF_READ_KERNEL.
  const remedy = 'Boot with lockdown=integrity.';
  return {
    ...fact,
    state: 'no',
    found: mode,
    follows: `Programs may not read the kernel: ${recordingInstead}`,
    remedy,
  };
}

/** By a trial: whether a program that was forbidden to list a folder could not. `undefined` where it could not be tried. */
export function landlockFact(confines: boolean | undefined): HostFact {
  const fact = { name: 'Landlock', needed: false } as const;
  const without =
    'The ClickHouse engine is an unprivileged user without capabilities, and can read what everybody can.';
  if (confines === undefined) {
    const remedy = '`npm run setup` builds the program that confines it.';
    return { ...fact, state: 'unknown', found: 'could not be tried', follows: without, remedy };
  }
  if (confines) {
    const follows = 'The ClickHouse engine can reach no file but its data, its program and libraries.';
    return { ...fact, state: 'yes', found: 'tried, and it confines', follows, remedy: '' };
  }
  const remedy = 'Use a kernel from 5.19 on with CONFIG_SECURITY_LANDLOCK and landlock in its lsm= list.';
  return { ...fact, state: 'limited', found: 'tried, and it does not confine', follows: without, remedy };
}
