import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { isAboutFile, member, readJsonFile, stringMember } from './json-file.ts';

/** What an engine has written down of one of its containers for people: all of it may be missing. */
export interface ContainerMetadata {
  readonly name: string | undefined;
  readonly image: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
}

/** Of which container: as the runtime's state, or the cgroup's layout, says. */
export interface ContainerReference {
  readonly containerId: string;
  readonly runtime: string;
  readonly bundle: string | undefined;
  readonly namespace: string | undefined;
}

/** Labels kept of one container, and characters of each: they come from whoever built the image. */
const labelsMax = 128;
const labelCharactersMax = 1024;

/**
 * Annotations by which Kubernetes' runtimes name a container. containerd: pkg/annotations (internal/cri/annotations);
 * cri-o: internal/annotations.
 */
const nameAnnotations = ['io.kubernetes.cri.container-name', 'io.kubernetes.container.name'];
const imageAnnotations = ['io.kubernetes.cri.image-name', 'io.kubernetes.cri-o.ImageName'];

/** Reads what can be read from files: no socket is asked. `root` is put before every path. */
export function readMetadata(container: ContainerReference, root = ''): ContainerMetadata {
  const docker = readDocker(container.containerId, root);
  if (docker !== undefined) return docker;
  const annotations = readAnnotations(container, root);
  const stored = readContainersStorage(container.containerId, root);
  return {
    name: first(annotations, nameAnnotations) ?? stored?.name,
    image: first(annotations, imageAnnotations) ?? stored?.image,
    labels: labelsOf(annotations),
  };
}

/** moby/moby daemon/container (config.v2.json). */
function readDocker(containerId: string, root: string): ContainerMetadata | undefined {
  if (!/^[0-9a-f]{64}$/.test(containerId)) return undefined;
  const config = readJsonFile(`${root}/var/lib/docker/containers/${containerId}/config.v2.json`);
  const name = stringMember(config, 'Name');
  if (name === undefined) return undefined;
  return {
    // Docker's names begin with a slash, from the time of links.
    name: name.replace(/^\//, ''),
    image: stringMember(config, 'Config', 'Image'),
    labels: labelsOf(member(config, 'Config', 'Labels')),
  };
}

/** Annotations of the OCI bundle: where the runtime's state says it is, or where containerd keeps it. */
function readAnnotations(container: ContainerReference, root: string): unknown {
  const { containerId, bundle } = container;
  if (bundle !== undefined) return member(readJsonFile(join(root + bundle, 'config.json')), 'annotations');
  if (containerId.includes('/')) return undefined;
  const tasks = `${root}/run/containerd/io.containerd.runtime.v2.task`;
  for (const namespace of container.namespace === undefined ? namesIn(tasks) : [container.namespace]) {
    const config = readJsonFile(join(tasks, namespace, containerId, 'config.json'));
    if (config !== undefined) return member(config, 'annotations');
  }
  return undefined;
}

/** containers/storage (Podman and CRI-O): containers.json, whose `metadata` is JSON in a string. */
function readContainersStorage(
  containerId: string,
  root: string,
): { readonly name: string | undefined; readonly image: string | undefined } | undefined {
  const containers = readJsonFile(`${root}/var/lib/containers/storage/overlay-containers/containers.json`);
  if (!Array.isArray(containers)) return undefined;
  const found: unknown = containers.find((container) => stringMember(container, 'id') === containerId);
  if (found === undefined) return undefined;
  const names = member(found, 'names');
  const name: unknown = Array.isArray(names) ? names[0] : undefined;
  let metadata: unknown;
  try {
    metadata = JSON.parse(stringMember(found, 'metadata') ?? '{}');
  } catch {
    metadata = undefined; // Another version's: the name is still good.
  }
  return { name: typeof name === 'string' ? name : undefined, image: stringMember(metadata, 'image-name') };
}

function labelsOf(value: unknown): Record<string, string> {
  if (typeof value !== 'object' || value === null) return {};
  const labels = Object.entries(value).filter(
    (entry): entry is [string, string] =>
      typeof entry[1] === 'string' && entry[0].length + entry[1].length <= labelCharactersMax,
  );
  return Object.fromEntries(labels.slice(0, labelsMax));
}

function first(annotations: unknown, names: readonly string[]): string | undefined {
  for (const name of names) {
    const value = stringMember(annotations, name);
    if (value !== undefined) return value;
  }
  return undefined;
}

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (isAboutFile(error)) return [];
    throw error;
  }
}
