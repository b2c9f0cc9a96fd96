import { eventConstant } from '../../collector/event-layout.ts';
import type { KernelCapture, ProgramRun } from './kernel-capture.ts';
import { ownLoginUid, ownNamespaces } from './kernel-capture.ts';
import type { KernelEvent } from './kernel-event.ts';

const noUid = 0xffffffffn;

/** Fields that differ from run to run, and are none of a call's: when, where in the ring, on which terminal. */
type Passing = 'timeNs' | 'sequence' | 'cpu' | 'size' | 'cgroupId' | 'startTimeNs' | 'parentStartTimeNs' | 'strings';

/** Every field of an event but the passing ones; strings without the terminal's. */
export type WholeEvent = Readonly<Omit<KernelEvent, Passing> & { readonly strings: KernelEvent['strings'] }>;

/** What of an event a test compares: all of it. */
export function wholeOf(event: KernelEvent): WholeEvent {
  const { timeNs, sequence, cpu, size, cgroupId, startTimeNs, parentStartTimeNs, strings, ...fields } = event;
  const passing = [timeNs, sequence, size, cgroupId, startTimeNs, parentStartTimeNs];
  if (passing.some((value) => value <= 0n) || cpu < 0n) throw new Error('an event has no time, number, size or cgroup');
  const { tty, ...others } = strings;
  if (tty !== undefined && tty === '') throw new Error('a terminal has an empty name');
  // The decoder leaves it in, and its type out: `strings` says it all.
  return Object.fromEntries(
    Object.entries({ ...fields, strings: others }).filter(([name]) => name !== 'lengths'),
  ) as WholeEvent;
}

/** An event of a program that this process ran as root on the host: no file, no address, no child, nothing of an exec. */
export function plainEvent(capture: KernelCapture, run: ProgramRun, program: string, cwd: string): WholeEvent {
  const hostPid = BigInt(run.hostPid);
  const { pidNamespace, mountNamespace } = ownNamespaces();
  return {
    operation: 'open',
    version: BigInt(eventConstant.eventVersion),
    session: capture.monitor.session,
    containerCgroupId: 0n,
    childStartTimeNs: 0n,
    flags: 0n,
    returnValue: BigInt(run.stdout),
    fileInode: 0n,
    fileDevice: 0n,
    fileMode: 0n,
    fileOwnerUid: noUid,
    fileOwnerGid: noUid,
    secondInode: 0n,
    secondDevice: 0n,
    secondMode: 0n,
    secondOwnerUid: noUid,
    secondOwnerGid: noUid,
    syscall: -1n,
    hostTgid: hostPid,
    hostTid: hostPid,
    hostPpid: BigInt(process.pid),
    tgid: hostPid,
    tid: hostPid,
    ppid: BigInt(process.pid),
    uid: 0n,
    euid: 0n,
    fsuid: 0n,
    gid: 0n,
    loginUid: ownLoginUid(),
    pidNamespace,
    mountNamespace,
    callerUid: noUid,
    callerEuid: noUid,
    callerFsuid: noUid,
    callerGid: noUid,
    childHostTgid: 0n,
    mode: 0n,
    fileDescriptor: -1n,
    addressFamily: 0n,
    socketType: 0n,
    protocol: 0n,
    port: 0n,
    pathSource: 0n,
    secondSource: 0n,
    addressSource: 0n,
    localPort: 0n,
    truncated: [],
    strings: {
      comm: program.slice(program.lastIndexOf('/') + 1),
      executable: program,
      parentExecutable: process.execPath,
      cwd,
    },
  };
}
