import { capabilitiesBlock, networkBlock } from './schema-named.ts';
import { inherited, listOf, misplacedBlocks, misplacedLists, postureWords } from './schema-parts.ts';
import { fileBlock, processBlock } from './schema-rules.ts';
import { deviceBlock, networkRule, presets, syscallsBlock } from './schema-unjudged.ts';
import type { MappingShape, Shape } from './shape.ts';
import { freeText, objectName, word } from './text-rules.ts';

// The language of KubeArmor's policies as its CRDs have it (KubeArmor/deployments/CRD, v1.7), and of PalisadeDefaults.

const policySpecFields = {
  process: processBlock,
  file: fileBlock,
  syscalls: syscallsBlock,
  apparmor: freeText,
  ...inherited,
};

const expressions = (keys: readonly string[]): Shape =>
  listOf({
    type: 'mapping',
    fields: { key: word(keys), operator: word(['In', 'NotIn']), values: listOf(freeText) },
    required: ['key', 'operator', 'values'],
  });

const notOfANode: MappingShape['misplaced'] = {
  ...Object.fromEntries(misplacedLists('spec')),
  selector: { severity: 'error', message: 'A host policy selects by `nodeSelector`, not by `selector`.' },
};
const notOfAPod: MappingShape['misplaced'] = {
  ...Object.fromEntries(misplacedLists('spec')),
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
      network: networkBlock(false),
      capabilities: capabilitiesBlock(false),
      presets,
      ...policySpecFields,
    },
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
      network: networkBlock(false),
      capabilities: capabilitiesBlock(false),
      presets,
      ...policySpecFields,
    },
    misplaced: notOfAPod,
  },
  KubeArmorHostPolicy: {
    type: 'mapping',
    fields: {
      nodeSelector,
      network: networkBlock(true),
      capabilities: capabilitiesBlock(true),
      device: deviceBlock,
      ...policySpecFields,
    },
    required: ['nodeSelector'],
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
  },
} as const satisfies Record<string, MappingShape>;

/** Every kind of document that this folder reads. */
export const documentKinds = Object.keys(specs) as readonly (keyof typeof specs)[];
/** A kind of document that this folder reads. */
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
