import { fromSource, flag, inherited, listOf, misplacedBlocks } from './schema-parts.ts';
import type { MappingShape, Shape } from './shape.ts';
import { commaList, directory, freeText, sourcePath, word } from './text-rules.ts';

// The blocks that are checked in shape and not judged yet.

const protocols = 'tcp udp raw icmp icmpv6 sctp stream dgram rdm seqpacket dccp packet all'.split(' ');

/** Linux's capabilities (include/uapi/linux/capability.h, 6.x). */
const capabilities = (
  'chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap linux_immutable net_bind_service ' +
  'net_broadcast net_admin net_raw ipc_lock ipc_owner sys_module sys_rawio sys_chroot sys_ptrace sys_pacct sys_admin ' +
  'sys_boot sys_nice sys_resource sys_time sys_tty_config mknod lease audit_write audit_control setfcap mac_override ' +
  'mac_admin syslog wake_alarm block_suspend audit_read perfmon bpf checkpoint_restore'
).split(' ');

/** The block `network`; a host policy's rules need a source each. */
export function networkBlock(host: boolean): MappingShape {
  return {
    type: 'mapping',
    fields: {
      matchProtocols: listOf({
        type: 'mapping',
        fields: {
          protocol: commaList(protocols, 'protocol'),
          fromSource,
          ...(host ? {} : { pts: flag }),
          ...inherited,
        },
        required: host ? ['protocol', 'fromSource'] : ['protocol'],
      }),
      matchDNSQueries: listOf({
        type: 'mapping',
        fields: { domain: commaList(undefined, 'a domain'), fromSource, ...inherited },
        required: ['domain'],
      }),
      ...inherited,
    },
    misplaced: misplacedBlocks('network'),
  };
}

/** The block `capabilities`; a host policy's rules need a source each. */
export function capabilitiesBlock(host: boolean): MappingShape {
  const words = [...capabilities, ...capabilities.map((name) => `cap_${name}`)];
  return {
    type: 'mapping',
    fields: {
      matchCapabilities: listOf({
        type: 'mapping',
        fields: { capability: commaList(words, 'capability'), fromSource, ...inherited },
        required: host ? ['capability', 'fromSource'] : ['capability'],
      }),
      ...inherited,
    },
    misplaced: misplacedBlocks('capabilities'),
  };
}

const syscallSource = listOf({
  type: 'mapping',
  fields: { path: sourcePath, dir: directory, recursive: flag },
  requiredOneOf: ['path', 'dir'],
});

/** The block `syscalls`. */
export const syscallsBlock: MappingShape = {
  type: 'mapping',
  fields: {
    matchSyscalls: listOf({
      type: 'mapping',
      fields: { syscall: listOf(freeText), fromSource: syscallSource, ...inherited },
      required: ['syscall'],
    }),
    matchPaths: listOf({
      type: 'mapping',
      fields: {
        path: freeText,
        recursive: flag,
        syscall: listOf(freeText),
        fromSource: syscallSource,
        ...inherited,
      },
      required: ['path', 'syscall'],
    }),
    ...inherited,
  },
  misplaced: misplacedBlocks('syscalls'),
};

const presetWords = ['anonymousMapExec', 'filelessExec', 'protectEnv', 'exec', 'protectProc'];
/** The list `presets`. */
export const presets = listOf({
  type: 'mapping',
  fields: { name: word(presetWords), ...inherited },
  required: ['name'],
});

/** The block `device` of a host policy: USB devices. */
export const deviceBlock: MappingShape = {
  type: 'mapping',
  fields: {
    matchDevice: listOf({
      type: 'mapping',
      fields: {
        class: { type: 'anything' },
        subClass: { type: 'anything' },
        protocol: { type: 'anything' },
        level: { type: 'integer', min: 1, max: 1000 },
        ...inherited,
      },
      required: ['class'],
    }),
    ...inherited,
  },
};

/** A rule of a KubeArmorNetworkPolicy: `ingress` has `from`, `egress` has `to`. */
export function networkRule(peers: 'from' | 'to'): Shape {
  return {
    type: 'mapping',
    fields: {
      [peers]: listOf({
        type: 'mapping',
        fields: { ipBlock: { type: 'mapping', fields: { cidr: freeText }, required: ['cidr'] } },
      }),
      iface: listOf(freeText),
      ports: listOf({
        type: 'mapping',
        fields: { port: { type: 'anything' }, endPort: { type: 'integer', min: 1, max: 65_535 }, protocol: freeText },
      }),
      limit: { type: 'anything' },
      duration: { type: 'anything' },
      ...inherited,
    },
  };
}
