import { existsSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { decidingHierarchy } from '../collector/cgroup-hierarchy.ts';
import { PalisadeError } from '../runtime/errors.ts';
import { packageRoot } from './package-root.ts';
import { isOnBpfFileSystem } from './pins.ts';

/** tp_btf (5.5), ring buffer (5.8), task storage in tracing programs (5.11); the oldest series that is looked after: 5.15. */
const oldestKernel = { major: 5, minor: 15 };

/** One thing that watching this machine's kernel needs. */
export interface HostCheck {
  readonly name: string;
  /** What there is, or what is missing and how to get it; a sentence. */
  readonly detail: string;
  readonly holds: boolean;
}

/** Everything that watching the kernel needs, in the order in which a person would put it right. Changes nothing. */
export function checkHost(pinDirectory: string): readonly HostCheck[] {
  return [
    checkPlatform(),
    checkRoot(),
    checkKernel(),
    checkBtf(),
    checkPinDirectory(pinDirectory),
    checkCgroups(),
    checkAddon(),
  ];
}

function check(name: string, holds: boolean, there: string, missing: string): HostCheck {
  return { name, holds, detail: holds ? there : missing };
}

function checkPlatform(): HostCheck {
  const holds = process.platform === 'linux' && process.arch === 'x64';
  const missing = `This is ${process.platform} on ${process.arch}; the eBPF programs are for Linux on x86-64 so far.`;
  return check('platform', holds, `${process.platform} ${os.machine()}`, missing);
}

function checkRoot(): HostCheck {
  return check(
    'root',
    process.getuid?.() === 0,
    'running as root',
    'Loading eBPF programs needs root: run it with sudo.',
  );
}

function checkKernel(): HostCheck {
  const [major = 0, minor = 0] = os.release().split('.').map(Number);
  const holds = major > oldestKernel.major || (major === oldestKernel.major && minor >= oldestKernel.minor);
  return check('kernel', holds, os.release(), `Kernel ${os.release()} is older than 5.15.`);
}

function checkBtf(): HostCheck {
  const file = '/sys/kernel/btf/vmlinux';
  const missing = `The kernel has no type information (${file}): it must be built with CONFIG_DEBUG_INFO_BTF.`;
  return check('BTF', existsSync(file), file, missing);
}

function checkPinDirectory(pinDirectory: string): HostCheck {
  let folder = pinDirectory;
  while (!existsSync(folder) && folder !== '/') folder = path.dirname(folder);
  const holds = isOnBpfFileSystem(folder);
  const missing = `${pinDirectory} is on no BPF file system: mount -t bpf bpf /sys/fs/bpf`;
  return check('BPF file system', holds, folder, missing);
}

function checkAddon(): HostCheck {
  const file = path.join(packageRoot(), 'native/build/palisade.node');
  return check('native addon', existsSync(file), file, 'The addon is not built: `npm run setup` says what it lacks.');
}

/** The collector's own choice of the hierarchy that tells containers apart; it says what to mount where there is none. */
function checkCgroups(): HostCheck {
  try {
    return check('cgroups', true, decidingHierarchy().layout, '');
  } catch (error) {
    if (!(error instanceof PalisadeError)) throw error;
    return check('cgroups', false, '', error.message);
  }
}
