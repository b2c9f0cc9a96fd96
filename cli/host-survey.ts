import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, readlinkSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { decidingHierarchy } from '../collector/cgroup-hierarchy.ts';
import { PalisadeError } from '../runtime/errors.ts';
import {
  cgroupsFact,
  hooksFact,
  kernelFact,
  landlockFact,
  lockdownFact,
  lsmFact,
  pidNamespaceFact,
  privilegesFact,
  type HostFact,
} from './host-facts.ts';
import { packageRoot } from './package-root.ts';

/** The trial of Landlock lists one folder. */
const trialTimeoutMs = 60_000;

/** Looks at what this kernel and host can do. Changes nothing. */
export function surveyHost(): readonly HostFact[] {
  return [
    kernelFact(os.release()),
    hooksFact(contentOf('/sys/kernel/btf/vmlinux')),
    privilegesFact(textOf('/proc/self/status') ?? '', textOf('/proc/self/uid_map') ?? ''),
    pidNamespaceFact(existsSync('/proc/self/ns/pid') ? readlinkSync('/proc/self/ns/pid') : ''),
    cgroups(),
    lsmFact(textOf('/sys/kernel/security/lsm')),
    lockdownFact(textOf('/sys/kernel/security/lockdown')),
    landlockFact(tryLandlock()),
  ];
}

function cgroups(): HostFact {
  try {
    return cgroupsFact(decidingHierarchy().layout, '');
  } catch (error) {
    if (!(error instanceof PalisadeError)) throw error;
    return cgroupsFact(undefined, error.message);
  }
}

/** `undefined` where it is not there or may not be read: what follows from that is the fact's to say. */
function contentOf(file: string): Buffer | undefined {
  try {
    return readFileSync(file);
  } catch {
    return undefined;
  }
}

function textOf(file: string): string | undefined {
  return contentOf(file)?.toString('utf8');
}

/**
 * Lets `ls /` run confined as the engine is, with the folders of programs and libraries to read and nothing else. The kernel
 * has no other way to ask whether Landlock holds.
 */
function tryLandlock(): boolean | undefined {
  const confine = path.join(packageRoot(), 'native/build/confine');
  const list = ['/bin/ls', '/usr/bin/ls'].find((file) => existsSync(file));
  if (!existsSync(confine) || list === undefined) return undefined;
  const folders = ['/usr', '/bin', '/lib', '/lib64'].flatMap((folder) => ['--read', folder]);
  const { status } = spawnSync(confine, [...folders, '--', list, '/'], { stdio: 'ignore', timeout: trialTimeoutMs });
  // ls(1): 2 where an argument can't be accessed, 0 where all went well.
  return status === 0 ? false : status === 2 ? true : undefined;
}
