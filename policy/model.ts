/** What a rule does with an act that it applies to. */
export type Action = 'Allow' | 'Audit' | 'Block';

/** What happens to an act that an allow-list does not name. */
export type Posture = 'audit' | 'block';

/** What a rule is about. Each dimension of each target is judged on its own (docs/policies.md). */
export type Dimension = 'process' | 'file' | 'network' | 'dns' | 'capabilities';

/** Every {@link Dimension}. */
export const dimensions: readonly Dimension[] = ['process', 'file', 'network', 'dns', 'capabilities'];

/** KubeArmor's kinds: of a namespace, of a host, of the whole cluster, of connections. */
export type PolicyKind =
  'KubeArmorPolicy' | 'KubeArmorHostPolicy' | 'KubeArmorClusterPolicy' | 'KubeArmorNetworkPolicy';

/** Every {@link PolicyKind}. */
export const policyKinds: readonly PolicyKind[] = [
  'KubeArmorPolicy',
  'KubeArmorHostPolicy',
  'KubeArmorClusterPolicy',
  'KubeArmorNetworkPolicy',
];

/** The kind of the record that carries cluster name and default postures. */
export const defaultsKind = 'PalisadeDefaults';

/** What a rule covers. Paths are absolute and clean, as the policy's author wrote them. */
export type Subject = PathSubject | NamedSubject;

/** Which paths a process or file rule covers. */
export type PathSubject =
  | { readonly kind: 'path'; readonly path: string }
  /** KubeArmor's `execname`: any path whose last component is this. */
  | { readonly kind: 'name'; readonly name: string }
  /** `directory` ends in `/`. Not recursive: what is directly inside; recursive: anything below. */
  | { readonly kind: 'directory'; readonly directory: string; readonly recursive: boolean }
  /** A glob, as it is written (glob.ts). */
  | { readonly kind: 'pattern'; readonly pattern: string };

/** What a network, DNS or capability rule covers: the elements of its comma list, in lower case. */
export type NamedSubject =
  | { readonly kind: 'protocol'; readonly names: readonly string[] }
  /** Without a final dot: the domain and all below it. */
  | { readonly kind: 'domain'; readonly names: readonly string[] }
  /** Without `cap_`. */
  | { readonly kind: 'capability'; readonly names: readonly string[] };

/** Where a rule stands. */
export interface RulePlace {
  /** The field of the spec: `process`, `presets`. */
  readonly block: string;
  /** The list in it; the block's own name where the block is the list, as `presets` is. */
  readonly list: string;
  /** Place in the list, from 0. */
  readonly index: number;
  /** In the policy's file, from 1. */
  readonly line: number;
  /** From 1, in UTF-16 units. */
  readonly column: number;
}

/** What a rule has of its own, of its block or of the spec. */
export interface Inherited {
  /** 1 to 10. */
  readonly severity: number;
  readonly tags: readonly string[];
  /** Empty where neither rule, block nor spec has one. */
  readonly message: string;
  readonly action: Action;
}

/** One element of a list such as `process.matchPaths`, with what it inherits from its block and the spec filled in. */
export interface Rule extends RulePlace, Inherited {
  readonly dimension: Dimension;
  readonly list: RuleList;
  readonly subject: Subject;
  /** `fromSource`: absolute paths of executables. Empty: any source. */
  readonly sources: readonly string[];
  readonly ownerOnly: boolean;
  readonly readOnly: boolean;
  /** `pts: false`: only for a process with a controlling terminal. */
  readonly terminalOnly: boolean;
  /** `allowedArgs`: the arguments after argv[0] that the condition is about. `undefined`: no condition. */
  readonly allowedArguments: readonly string[] | undefined;
}

/** The lists whose rules are judged. */
export type RuleList =
  'matchPaths' | 'matchDirectories' | 'matchPatterns' | 'matchProtocols' | 'matchDNSQueries' | 'matchCapabilities';

/** A rule of a block that acts are not judged by here: it was read and checked, and says in the policy's status what it waits for. */
export interface UnjudgedRule extends RulePlace, Inherited {
  readonly reason: UnjudgedReason;
}

/** What an unjudged rule waits for: somebody who sees such acts, or somebody who can enforce it. */
export type UnjudgedReason = 'notObserved' | 'notEnforceable';

/** `In`: any of the values; `NotIn`: none of them. */
export interface Expression {
  readonly key: 'namespace' | 'label';
  readonly operator: 'In' | 'NotIn';
  /** Namespaces, or labels as `key=value`. */
  readonly values: readonly string[];
}

/** Whom a policy applies to; everything in it must hold. */
export interface Selector {
  /** Label → value. Of pods or containers, for a host policy of the node. The labels below are not in it. */
  readonly matchLabels: ReadonlyMap<string, string>;
  readonly matchExpressions: readonly Expression[];
  /** From the label `kubearmor.io/container.name`: only these containers. `undefined`: all. */
  readonly containerNames: readonly string[] | undefined;
  /**
   * From `kubearmor.io/hostname` and `kubearmor.io/hostnamereg`, a list each: host names in which `*` is any text. One of each
   * list must be the host's.
   */
  readonly hostNames: readonly (readonly string[])[];
}

/** One policy, parsed. Identified by kind, namespace and name. */
export interface Policy {
  readonly kind: PolicyKind;
  /** Empty for a host or cluster policy. */
  readonly namespace: string;
  readonly name: string;
  /** As its PolicyDocument names it. */
  readonly file: string;
  readonly selector: Selector;
  readonly rules: readonly Rule[];
  readonly unjudged: readonly UnjudgedRule[];
}

/** What holds where nothing more special says otherwise: the one record of its kind on the topic `policies`. */
export interface PalisadeDefaults {
  readonly kind: typeof defaultsKind;
  readonly name: string;
  /** KubeArmor's `cluster`: the ClusterName of alerts. */
  readonly clusterName: string;
  readonly containerPostures: Postures;
  readonly hostPostures: Postures;
  /** Namespaces that are neither judged nor enforced. */
  readonly untrackedNamespaces: readonly string[];
}

/**
 * The default posture by dimension. KubeArmor's file posture governs process and file rules alike, its network posture DNS as
 * well.
 */
export type Postures = Readonly<Record<Dimension, Posture>>;

const auditPostures: Postures = {
  process: 'audit',
  file: 'audit',
  network: 'audit',
  dns: 'audit',
  capabilities: 'audit',
};

/** What holds before any PalisadeDefaults is read: KubeArmor's own defaults (KubeArmor/config/config.go). */
export const builtinDefaults: PalisadeDefaults = {
  kind: defaultsKind,
  name: 'built-in',
  clusterName: 'default',
  containerPostures: auditPostures,
  hostPostures: auditPostures,
  untrackedNamespaces: [],
};

/** What policies are selected for: one container, or the host. */
export interface Target {
  readonly kind: 'host' | 'container';
  /** Of the container; `container_namespace` where there is no Kubernetes. Empty for the host. */
  readonly namespace: string;
  /**
   * Label → value. A container also has `kubearmor.io/container.name`, with Kubernetes and without, and without Kubernetes
   * `namespaceName`; the host also has `kubearmor.io/hostname`.
   */
  readonly labels: Readonly<Record<string, string>>;
}

/** The label that names a container, in selectors and targets. */
export const containerNameLabel = 'kubearmor.io/container.name';

/** The label that names a host, in selectors and targets. */
export const hostNameLabel = 'kubearmor.io/hostname';

/** In selectors: host names with `*` as a wildcard. */
export const hostNamePatternLabel = 'kubearmor.io/hostnamereg';

/** The namespace of containers where there is no Kubernetes, as KubeArmor has it. */
export const containerNamespace = 'container_namespace';
