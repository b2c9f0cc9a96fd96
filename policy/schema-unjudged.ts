import { flag, inherited, listOf, misplacedBlocks } from './schema-parts.ts';
import type { MappingShape, Shape } from './shape.ts';
import { directory, freeText, sourcePath, word } from './text-rules.ts';
import { byteNumber, cidr, deviceClass, port, syscallName, syscallPath } from './value-rules.ts';

// The blocks whose rules are read and checked, and wait for somebody who sees such acts or can enforce them.

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
      fields: { syscall: listOf(syscallName), fromSource: syscallSource, ...inherited },
      required: ['syscall'],
    }),
    matchPaths: listOf({
      type: 'mapping',
      fields: {
        path: syscallPath,
        recursive: flag,
        syscall: listOf(syscallName),
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
        class: deviceClass,
        subClass: byteNumber,
        protocol: byteNumber,
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
        fields: { ipBlock: { type: 'mapping', fields: { cidr }, required: ['cidr'] } },
        required: ['ipBlock'],
      }),
      iface: listOf(freeText),
      ports: listOf({
        type: 'mapping',
        fields: {
          port,
          endPort: { type: 'integer', min: 1, max: 65_535 },
          protocol: word(['TCP', 'UDP', 'SCTP']),
        },
      }),
      limit: { type: 'anything' },
      duration: { type: 'anything' },
      ...inherited,
    },
    misplaced: {
      [peers === 'from' ? 'to' : 'from']: {
        severity: 'error',
        message:
          peers === 'from'
            ? 'Peers of `ingress` stand in `from`, not in `to`.'
            : 'Peers of `egress` stand in `to`, not in `from`.',
      },
    },
  };
}
