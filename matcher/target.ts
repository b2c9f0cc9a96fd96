import { containerNameLabel, containerNamespace, hostNameLabel, type Target } from '../policy/model.ts';
import type { ContainerDescriptor } from '../schemas/generated.ts';

/**
 * Labels by which a container's runtime names its pod under Kubernetes: the kubelet's own (k8s.io/kubernetes,
 * pkg/kubelet/types/labels.go), which Docker and CRI-O keep, and containerd's (internal/cri/annotations).
 */
const podNamespaceLabels = ['io.kubernetes.pod.namespace', 'io.kubernetes.cri.sandbox-namespace'];
const podNameLabels = ['io.kubernetes.pod.name', 'io.kubernetes.cri.sandbox-name'];
/** KubeArmor's label for the namespace of containers without Kubernetes. */
const namespaceLabel = 'namespaceName';

/** Whom an event belongs to: what policies select, and what alerts say of it. */
export interface JudgedTarget {
  readonly target: Target;
  readonly podName: string;
  readonly containerId: string;
  readonly containerName: string;
  readonly containerImage: string;
  /** `k=v,k=v`, sorted. */
  readonly labels: string;
  readonly rootLinks: ContainerDescriptor['rootLinks'];
  /** Whether its name was known: without it policies by name or label can't apply. */
  readonly known: boolean;
}

/** The target of a process in `containerCgroupId`, of which `descriptor` is what is known. */
export function targetOf(containerCgroupId: bigint, descriptor: ContainerDescriptor | undefined): JudgedTarget {
  return containerCgroupId === 0n ? hostTarget(descriptor) : containerTarget(descriptor);
}

function hostTarget(descriptor: ContainerDescriptor | undefined): JudgedTarget {
  const hostName = descriptor?.host?.hostName;
  const labels = { ...descriptor?.labels, ...(hostName === undefined ? {} : { [hostNameLabel]: hostName }) };
  return {
    target: { kind: 'host', namespace: '', labels },
    podName: '',
    containerId: '',
    containerName: '',
    containerImage: '',
    labels: labelsText(labels),
    rootLinks: descriptor?.rootLinks ?? null,
    known: hostName !== undefined,
  };
}

function containerTarget(descriptor: ContainerDescriptor | undefined): JudgedTarget {
  const own = descriptor?.labels ?? {};
  const podNamespace = firstOf(own, podNamespaceLabels);
  const namespace = podNamespace ?? containerNamespace;
  const containerId = descriptor?.containerId ?? '';
  // A runtime without names has its ids.
  const containerName = descriptor?.name ?? containerId;
  const labels = {
    ...own,
    ...(podNamespace === undefined ? { [namespaceLabel]: namespace } : {}),
    ...(containerName === '' ? {} : { [containerNameLabel]: containerName }),
  };
  return {
    target: { kind: 'container', namespace, labels },
    // Without Kubernetes KubeArmor names the endpoint after the container.
    podName: firstOf(own, podNameLabels) ?? containerName,
    containerId,
    containerName,
    containerImage: descriptor?.image ?? '',
    labels: labelsText(labels),
    rootLinks: descriptor?.rootLinks ?? null,
    known: descriptor !== undefined && descriptor.name !== null,
  };
}

function firstOf(labels: Readonly<Record<string, string>>, keys: readonly string[]): string | undefined {
  const found = keys.find((key) => Object.hasOwn(labels, key));
  return found === undefined ? undefined : labels[found];
}

function labelsText(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .sort()
    .join(',');
}
