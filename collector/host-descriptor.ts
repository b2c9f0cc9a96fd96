import { hostname, release } from 'node:os';
import type { ContainerDescriptor } from '../schemas/generated.ts';
import type { CgroupHierarchy } from './cgroup-hierarchy.ts';
import { readRootLinks } from './root-links.ts';

/** What is known of the machine itself: the first descriptor of every session. The label is KubeArmor's for hosts without Kubernetes. */
export async function describeHost(hierarchy: CgroupHierarchy): Promise<ContainerDescriptor> {
  return {
    cgroupId: 0n,
    version: 1,
    kind: 'host',
    containerId: '',
    idSource: 'host',
    runtime: '',
    cgroupPath: Buffer.from('/'),
    name: hostname(),
    image: null,
    labels: { 'kubearmor.io/hostname': hostname() },
    rootLinks: (await readRootLinks('/')) ?? null,
    host: { hostName: hostname(), kernelRelease: release(), cgroupLayout: hierarchy.layout },
  };
}
