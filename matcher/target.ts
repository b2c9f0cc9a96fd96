import { containerNameLabel, containerNamespace, hostNameLabel, type Target } from '../policy/model.ts';
import type { ContainerDescriptor } from '../schemas/generated.ts';

/** Labels by which a container runtime under Kubernetes names the pod (k8s.io/kubernetes pkg/kubelet/types/labels.go). */
const podNamespaceLabel = 'io.kubernetes.pod.namespace';
const podNameLabel = 'io.kubernetes.pod.name';
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
  const podNamespace = own[podNamespaceLabel];
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
    podName: own[podNameLabel] ?? containerName,
    containerId,
    containerName,
    containerImage: descriptor?.image ?? '',
    labels: labelsText(labels),
    rootLinks: descriptor?.rootLinks ?? null,
    known: descriptor !== undefined && descriptor.name !== null,
  };
}

function labelsText(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .sort()
    .join(',');
}
