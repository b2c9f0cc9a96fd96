import type { MappingShape, Shape } from './shape.ts';
import {
  commaList,
  directory,
  executableName,
  freeText,
  objectName,
  pattern,
  rulePath,
  sourcePath,
  word,
} from './text-rules.ts';

// The language of KubeArmor's policies as its CRDs have it (KubeArmor/deployments/CRD, v1.7), and of PalisadeDefaults. What
// is not judged yet is checked in shape like everything else, and named in `notSupported`.

/** Most elements of one list; the largest seen has 120. */
const maxListItems = 10_000;

/** KubeArmor's limit of `allowedArgs` (maxItems in its CRD). */
const maxAllowedArguments = 20;

export const actionWords = ['Allow', 'Audit', 'Block'] as const;
export const postureWords = ['audit', 'block'] as const;

function listOf(of: Shape, max = maxListItems): Shape {
  return { type: 'list', of, max };
}

const flag: Shape = { type: 'flag' };
const action = word(actionWords);

/** What each of rule, block and spec may have, inherited one by one. */
const inherited = {
  severity: { type: 'integer', min: 0, max: 10 },
  tags: listOf(freeText),
  message: freeText,
  action,
} as const satisfies Record<string, Shape>;

const fromSource = listOf({
  type: 'mapping',
  fields: { path: sourcePath },
  required: ['path'],
  misplaced: {
    dir: { severity: 'error', message: 'A source is one executable: `fromSource` takes `path`, no directory.' },
    recursive: { severity: 'warning', message: 'A source is one executable, so `recursive` has no effect.' },
  },
});

const onlyForFiles = {
  readOnly: {
    severity: 'warning',
    message: '`readOnly` is for `file` rules; running a program is neither reading nor writing, so it has no effect.',
  },
} as const;

const notAPattern: MappingShape['misplaced'] = {
  path: { severity: 'error', message: 'Elements of `matchPatterns` have `pattern` in the place of `path`.' },
  dir: { severity: 'error', message: 'Elements of `matchPatterns` have `pattern` in the place of `dir`.' },
};

const notADirectory: MappingShape['misplaced'] = {
  path: {
    severity: 'error',
    message: 'Elements of `matchDirectories` have `dir`, which ends in /, in the place of `path`.',
  },
};

const notAPath: MappingShape['misplaced'] = {
  dir: { severity: 'error', message: 'Elements of `matchPaths` have `path`; directories stand in `matchDirectories`.' },
  recursive: { severity: 'warning', message: '`recursive` is for `matchDirectories`; a path is one file.' },
  pattern: { severity: 'error', message: 'Elements of `matchPaths` have `path`; patterns stand in `matchPatterns`.' },
};

/** Blocks that people indent once too often: their rules would be lost. */
function misplacedBlocks(inside: string): NonNullable<MappingShape['misplaced']> {
  return Object.fromEntries(
    ['process', 'file', 'network', 'capabilities', 'syscalls'].map((block) => [
      block,
      {
        severity: 'error',
        message: `\`${block}\` stands inside \`${inside}\`, where its rules would be lost: move it up to \`spec\`.`,
      },
    ]),
  );
}

const process: MappingShape = {
  type: 'mapping',
  fields: {
    matchPaths: listOf({
      type: 'mapping',
      fields: {
        path: rulePath,
        execname: executableName,
        ownerOnly: flag,
        pts: flag,
        allowedArgs: listOf(freeText, maxAllowedArguments),
        fromSource,
        ...inherited,
      },
      requiredOneOf: ['path', 'execname'],
      misplaced: { ...notAPath, ...onlyForFiles },
    }),
    matchDirectories: listOf({
      type: 'mapping',
      fields: { dir: directory, recursive: flag, ownerOnly: flag, pts: flag, fromSource, ...inherited },
      required: ['dir'],
      misplaced: { ...notADirectory, ...onlyForFiles },
    }),
    matchPatterns: listOf({
      type: 'mapping',
      fields: { pattern, ownerOnly: flag, ...inherited },
      required: ['pattern'],
      misplaced: { ...notAPattern, ...onlyForFiles },
    }),
    ...inherited,
  },
  notSupported: ['matchPatterns'],
  misplaced: misplacedBlocks('process'),
};

const file: MappingShape = {
  type: 'mapping',
  fields: {
    matchPaths: listOf({
      type: 'mapping',
      fields: { path: rulePath, readOnly: flag, ownerOnly: flag, pts: flag, fromSource, ...inherited },
      required: ['path'],
      misplaced: {
        ...notAPath,
        execname: { severity: 'error', message: '`execname` is for `process` rules; a `file` rule has `path`.' },
      },
    }),
    matchDirectories: listOf({
      type: 'mapping',
      fields: { dir: directory, recursive: flag, readOnly: flag, ownerOnly: flag, pts: flag, fromSource, ...inherited },
      required: ['dir'],
      misplaced: notADirectory,
    }),
    matchPatterns: listOf({
      type: 'mapping',
      fields: { pattern, readOnly: flag, ownerOnly: flag, ...inherited },
      required: ['pattern'],
      misplaced: notAPattern,
    }),
    ...inherited,
  },
  notSupported: ['matchPatterns'],
  misplaced: misplacedBlocks('file'),
};

const protocols = 'tcp udp raw icmp icmpv6 sctp stream dgram rdm seqpacket dccp packet all'.split(' ');

/** Linux's capabilities (include/uapi/linux/capability.h, 6.x). */
const capabilities = (
  'chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap linux_immutable net_bind_service ' +
  'net_broadcast net_admin net_raw ipc_lock ipc_owner sys_module sys_rawio sys_chroot sys_ptrace sys_pacct sys_admin ' +
  'sys_boot sys_nice sys_resource sys_time sys_tty_config mknod lease audit_write audit_control setfcap mac_override ' +
  'mac_admin syslog wake_alarm block_suspend audit_read perfmon bpf checkpoint_restore'
).split(' ');

function network(host: boolean): MappingShape {
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

function capabilitiesBlock(host: boolean): MappingShape {
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

const syscalls: MappingShape = {
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
const presets = listOf({
  type: 'mapping',
  fields: { name: word(presetWords), ...inherited },
  required: ['name'],
});

const device: MappingShape = {
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

const policySpecFields = { process, file, syscalls, apparmor: freeText, ...inherited };

const expressions = (keys: readonly string[]): Shape =>
  listOf({
    type: 'mapping',
    fields: { key: word(keys), operator: word(['In', 'NotIn']), values: listOf(freeText) },
    required: ['key', 'operator', 'values'],
  });

const notOfANode: MappingShape['misplaced'] = {
  selector: { severity: 'error', message: 'A host policy selects by `nodeSelector`, not by `selector`.' },
};
const notOfAPod: MappingShape['misplaced'] = {
  nodeSelector: {
    severity: 'error',
    message: 'Only a KubeArmorHostPolicy selects by `nodeSelector`; this kind selects by `selector`.',
  },
};

const nodeSelector: Shape = { type: 'mapping', fields: { matchLabels: { type: 'labels' } }, required: ['matchLabels'] };

/** The spec of each kind. */
const specs = {
  KubeArmorPolicy: {
    type: 'mapping',
    fields: {
      selector: {
        type: 'mapping',
        fields: { matchLabels: { type: 'labels' }, matchExpressions: expressions(['label']) },
        unknownHint: 'Labels stand in `matchLabels`; a selector without them selects every pod of the namespace.',
        misplaced: misplacedBlocks('selector'),
      },
      network: network(false),
      capabilities: capabilitiesBlock(false),
      presets,
      ...policySpecFields,
    },
    notSupported: ['network', 'capabilities', 'syscalls', 'presets', 'apparmor'],
    misplaced: notOfAPod,
  },
  KubeArmorClusterPolicy: {
    type: 'mapping',
    fields: {
      selector: {
        type: 'mapping',
        fields: { matchExpressions: expressions(['namespace', 'label']) },
        misplaced: {
          matchLabels: {
            severity: 'error',
            message:
              'A cluster policy selects by `matchExpressions` alone; without them it would apply to every namespace. ' +
              'Write the labels as an expression with `key: label`.',
          },
        },
      },
      network: network(false),
      capabilities: capabilitiesBlock(false),
      presets,
      ...policySpecFields,
    },
    notSupported: ['network', 'capabilities', 'syscalls', 'presets', 'apparmor'],
    misplaced: notOfAPod,
  },
  KubeArmorHostPolicy: {
    type: 'mapping',
    fields: {
      nodeSelector,
      network: network(true),
      capabilities: capabilitiesBlock(true),
      device,
      ...policySpecFields,
    },
    required: ['nodeSelector'],
    notSupported: ['network', 'capabilities', 'syscalls', 'device', 'apparmor'],
    misplaced: notOfANode,
  },
  KubeArmorNetworkPolicy: {
    type: 'mapping',
    fields: {
      nodeSelector,
      selector: {
        type: 'mapping',
        fields: { matchLabels: { type: 'labels' }, matchExpressions: expressions(['label']) },
      },
      ingress: listOf(networkRule('from')),
      egress: listOf(networkRule('to')),
      level: word(['Pod', 'Policy']),
      ...inherited,
    },
    requiredOneOf: ['nodeSelector', 'selector'],
  },
  PalisadeDefaults: {
    type: 'mapping',
    fields: {
      cluster: objectName,
      defaultFilePosture: word(postureWords),
      hostDefaultFilePosture: word(postureWords),
      defaultNetworkPosture: word(postureWords),
      hostDefaultNetworkPosture: word(postureWords),
      defaultCapabilitiesPosture: word(postureWords),
      hostDefaultCapabilitiesPosture: word(postureWords),
      untrackedNs: listOf(objectName),
    },
    notSupported: [
      'defaultNetworkPosture',
      'hostDefaultNetworkPosture',
      'defaultCapabilitiesPosture',
      'hostDefaultCapabilitiesPosture',
    ],
  },
} as const satisfies Record<string, MappingShape>;

function networkRule(peers: 'from' | 'to'): Shape {
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

/** Every kind of document that this folder reads. */
export const documentKinds = Object.keys(specs) as readonly (keyof typeof specs)[];
export type DocumentKind = keyof typeof specs;

/** The group and version of KubeArmor's kinds. */
const policyApiVersion = 'security.kubearmor.com/v1';

/** Of PalisadeDefaults, which is no Kubernetes object and only looks like one. */
const defaultsApiVersion = 'palisade/v1';

/** The whole document of a kind. */
export function documentShape(kind: DocumentKind): MappingShape {
  return {
    type: 'mapping',
    fields: {
      apiVersion: word([kind === 'PalisadeDefaults' ? defaultsApiVersion : policyApiVersion]),
      kind: freeText,
      metadata: metadata(kind === 'KubeArmorPolicy'),
      spec: specs[kind],
      // What the API server adds to an object that was read back from it.
      status: { type: 'anything' },
    },
    required: ['apiVersion', 'kind', 'metadata', 'spec'],
  };
}

/** Kubernetes' ObjectMeta: name and namespace are ours, the rest is let through. */
function metadata(namespaced: boolean): MappingShape {
  const others = [
    'annotations',
    'creationTimestamp',
    'deletionGracePeriodSeconds',
    'deletionTimestamp',
    'finalizers',
    'generateName',
    'generation',
    'labels',
    'managedFields',
    'ownerReferences',
    'resourceVersion',
    'selfLink',
    'uid',
  ];
  const anything: Record<string, Shape> = Object.fromEntries(others.map((field) => [field, { type: 'anything' }]));
  return {
    type: 'mapping',
    fields: { name: objectName, ...anything, ...(namespaced ? { namespace: objectName } : {}) },
    required: ['name'],
    ...(namespaced
      ? {}
      : {
          misplaced: {
            namespace: {
              severity: 'warning',
              message: 'This kind belongs to the whole cluster or host, so a namespace has no effect.',
            },
          },
        }),
  };
}
