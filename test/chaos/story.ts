import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Containers } from '../support/runc-container.ts';

/** Containers that come one after the other, two at a time. */
export const storyContainers = 24;
/** How their ids begin. */
export const containerPrefix = 'palisade-chaos-';
/** Files that each container writes, of which the policy `spool-files` wants an alert each. */
const filesPerContainer = 408;

/** The policies' folder of the story, which changes while it is told. */
export class StoryPolicies {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
    mkdirSync(folder);
    this.#write('spool-files', spoolFiles(4, 'a file of the spool was written'));
    this.#write('sleepers', sleepers);
  }

  /** What changes before this container starts, in words; `undefined`: nothing. */
  before(container: number): string | undefined {
    switch (container) {
      case 6:
        this.#write('shell-reads', shellReads);
        return 'shell-reads is added';
      case 12:
        this.#write('spool-files', spoolFiles(7, 'the spool, looked at more closely'));
        return 'spool-files is changed';
      case 17:
        rmSync(path.join(this.folder, 'sleepers.yaml'));
        return 'sleepers is removed';
      case 21:
        // So that the story can be told again after itself.
        rmSync(path.join(this.folder, 'shell-reads.yaml'));
        return 'shell-reads is removed';
      default:
        return undefined;
    }
  }

  #write(name: string, text: string): void {
    writeFileSync(path.join(this.folder, `${name}.yaml`), text);
  }
}

/** Plays container number `container` to its end. */
export async function playContainer(containers: Containers, container: number): Promise<void> {
  const id = `${containerPrefix}${String(container).padStart(2, '0')}`;
  // Redirections of the shell itself: an open each, without a process. The sleeps spread them over many batches.
  const script = [
    'mkdir -p /srv/spool; i=0',
    `while [ $i -lt ${filesPerContainer} ]; do`,
    `: > /srv/spool/${id}-$i; : < /dev/null; i=$((i + 1))`,
    '[ $((i % 6)) -eq 0 ] && { sleep 0.02; : < /bin/sh; }; done; true',
  ];
  await containers.run(id, { args: ['/bin/sh', '-c', script.join('\n')] });
}

function spoolFiles(severity: number, message: string): string {
  return `apiVersion: security.kubearmor.com/v1
kind: KubeArmorPolicy
metadata:
  name: spool-files
  namespace: container_namespace
spec:
  severity: ${severity}
  message: ${message}
  selector: {}
  file:
    matchDirectories:
      - dir: /srv/spool/
        recursive: true
  action: Audit
`;
}

const sleepers = `apiVersion: security.kubearmor.com/v1
kind: KubeArmorPolicy
metadata:
  name: sleepers
  namespace: container_namespace
spec:
  severity: 2
  message: a container waits
  selector: {}
  process:
    matchPaths:
      - path: /bin/sleep
  action: Block
`;

const shellReads = `apiVersion: security.kubearmor.com/v1
kind: KubeArmorPolicy
metadata:
  name: shell-reads
  namespace: container_namespace
spec:
  severity: 5
  message: the shell was read by itself
  selector: {}
  file:
    matchPaths:
      - path: /bin/sh
        fromSource:
          - path: /bin/sh
  action: Audit
`;
