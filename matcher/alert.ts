import type { Act, ActResource, PathAct } from '../policy/act.ts';
import type { Dimension } from '../policy/model.ts';
import type { Verdict } from '../policy/verdict.ts';
import type { Alert, Ancestry, CommandLine, EnrichedEventBatch } from '../schemas/generated.ts';
import { stringOf, type JudgedEvent } from './act-of-event.ts';
import { alertId } from './alert-id.ts';
import { AlertText, joinWithSpaces } from './alert-text.ts';
import { nameFlagsText, openFlagsText, resultText, syscallName } from './linux-names.ts';
import type { Outcome } from './outcome.ts';
import { peerText, socketText } from './socket-act.ts';
import type { JudgedTarget } from './target.ts';

/** Everything that an alert is made of. */
export interface AlertFacts {
  readonly batch: EnrichedEventBatch;
  readonly judged: JudgedEvent;
  readonly target: JudgedTarget;
  readonly verdict: Verdict;
  readonly outcome: Outcome;
  readonly clusterName: string;
  readonly hostName: string;
}

/** KubeArmor's Operation; what a lookup of a name is, it has as Network. */
const operations: Readonly<Record<Dimension, string>> = {
  process: 'Process',
  file: 'File',
  network: 'Network',
  dns: 'Network',
  capabilities: 'Capabilities',
};

const noAncestry: Ancestry = { ancestors: [], complete: false };
const slash = 0x2f;
const noBytes = new Uint8Array(0);

/** The alert of one event: docs/alerts.md says where each field comes from. */
export function alertOf(facts: AlertFacts): Alert {
  const { batch, judged, target, verdict, outcome } = facts;
  const { raw } = batch;
  const { act, event, process } = judged;
  const file = judged.files[verdict.resource];
  const reference = verdict.rule?.reference;
  // Wrapped to what the alert can carry: a node may say any numbers, and may not stop the flow by them.
  const kernelTimeNs = BigInt.asIntN(64, raw.baseTimeNs + BigInt(event.timeNs));
  const ancestry = batch.ancestries[batch.processAncestries[event.process] ?? -1] ?? noAncestry;
  const onHost = target.target.kind === 'host';
  const text = new AlertText();
  const subject = subjectOf(facts, text);
  return {
    id: alertId({ ...raw, cpu: event.cpu, sequence: event.sequence, rule: reference, dimension: act.dimension }),
    timeUnixNs: BigInt.asIntN(64, kernelTimeNs + raw.wallClockOffsetNs),
    clusterName: facts.clusterName,
    hostName: facts.hostName,
    namespaceName: target.target.namespace,
    ownerRef: '',
    ownerName: '',
    ownerNamespace: '',
    podName: target.podName,
    labels: target.labels,
    containerId: target.containerId,
    containerName: target.containerName,
    containerImage: target.containerImage,
    hostPpid: process.hostPpid,
    hostPid: process.hostPid,
    ppid: process.ppid,
    pid: process.pid,
    uid: process.uid,
    parentProcessName: subject.parentProcessName,
    processName: subject.processName,
    policyName: reference?.policyName ?? 'DefaultPosture',
    severity: verdict.rule === undefined ? '' : String(verdict.rule.severity),
    tags: verdict.rule?.tags ?? [],
    message: verdict.rule?.message ?? '',
    type: onHost ? 'MatchedHostPolicy' : 'MatchedPolicy',
    source: subject.source,
    operation: operations[act.dimension],
    resource: subject.resource,
    data: dataOf(judged),
    enforcer: 'eBPF Monitor',
    action: outcome.action,
    result: resultText(event.returnValue),
    cwd: text.of('cwd', withFinalSlash(stringOf(raw, process.cwd))),
    tty: text.of('tty', stringOf(raw, process.tty)),
    nodeId: raw.nodeId,
    bootId: raw.bootId,
    session: raw.session,
    cpu: event.cpu,
    sequence: event.sequence,
    origin: raw.origin,
    kernelTimeNs,
    eventOperation: event.operation,
    syscall: event.syscall,
    returnValue: event.returnValue,
    hostTid: event.hostTid,
    tid: event.tid,
    euid: process.euid,
    fsuid: process.fsuid,
    gid: process.gid,
    loginUid: process.loginUid,
    pidNamespace: process.pidNamespace,
    mountNamespace: process.mountNamespace,
    cgroupId: process.cgroupId,
    containerCgroupId: process.containerCgroupId,
    processStartTimeNs: process.startTimeNs,
    comm: text.of('comm', stringOf(raw, process.comm)),
    ancestry: ancestry.ancestors.map(({ hostPid, startTimeNs, executable }, index) => ({
      hostPid,
      startTimeNs,
      executable: text.of(`ancestry[${index}].executable`, executable),
    })),
    ancestryComplete: ancestry.complete,
    pathSource: file?.pathSource ?? 'unknown',
    pathTruncated: file?.pathTruncated ?? false,
    oldPath: text.of('oldPath', renamedPath(facts, event.file)),
    newPath: text.of('newPath', renamedPath(facts, event.newFile)),
    matchedPath: matchedPathOf(verdict, judged, text),
    decidedBy: verdict.decidedBy === 'posture' ? 'posture' : 'rule',
    enforcement: outcome.enforcement,
    rule: reference ?? null,
    overruled: verdict.overruled,
    containerKnown: target.known,
    // Last: the fields above fill it.
    rawBytes: text.rawBytes,
  };
}

interface SubjectTexts {
  readonly processName: string;
  readonly parentProcessName: string;
  readonly source: string;
  readonly resource: string;
}

/** Who did it to what, as KubeArmor words it for this kind of act. */
function subjectOf({ batch, judged, verdict }: AlertFacts, text: AlertText): SubjectTexts {
  const { raw } = batch;
  const { act, event, process } = judged;
  const executable = stringOf(raw, process.executable);
  const parent = stringOf(raw, process.parentExecutable);
  if (act.dimension === 'process') {
    const path = act.resources[verdict.resource]?.path ?? noBytes;
    // Where the exec failed the process still is its caller: the alert is about the program that it would have been.
    const failed = event.returnValue < 0;
    return {
      processName: text.of('processName', failed ? (act.resources[0]?.path ?? executable) : executable),
      parentProcessName: text.of('parentProcessName', failed ? act.source : parent),
      source: text.of('source', act.source),
      // An interpreter is named with what it was given: the script and the rest.
      resource: text.of(
        'resource',
        joinWithSpaces([path, ...(verdict.resource === 0 ? act.arguments : judged.programArguments)]),
      ),
    };
  }
  const line: CommandLine | undefined = batch.commandLines[batch.processCommandLines[event.process] ?? -1];
  return {
    processName: text.of('processName', executable),
    parentProcessName: text.of('parentProcessName', parent),
    source: text.of('source', joinWithSpaces([executable, ...(line?.arguments.slice(1) ?? [])])),
    resource: text.of('resource', resourceOf(judged, verdict)),
  };
}

function resourceOf({ act, event, socket }: JudgedEvent, verdict: Verdict): Uint8Array {
  if (socket !== undefined) return Buffer.from(event.operation === 'socket' ? socketText(socket) : peerText(socket));
  return pathResourceOf(act, verdict.resource)?.path ?? noBytes;
}

function pathResourceOf(act: Act, place: number): ActResource | undefined {
  return isPathAct(act) ? act.resources[place] : undefined;
}

function isPathAct(act: Act): act is PathAct {
  return act.dimension === 'process' || act.dimension === 'file';
}

/** One of the names of a rename; empty where it is not known, or the event is none. */
function renamedPath({ batch, judged }: AlertFacts, file: number): Uint8Array {
  const place =
    judged.event.operation === 'rename' ? judged.files.findIndex((one) => one === batch.raw.files[file]) : -1;
  return pathResourceOf(judged.act, place)?.path ?? noBytes;
}

/** KubeArmor's Data: `syscall=SYS_OPENAT fd=-100 flags=O_RDONLY|O_CLOEXEC`. */
function dataOf({ act, event }: JudgedEvent): string {
  const name = syscallName(event.operation, event.syscall);
  if (act.dimension === 'process' || event.operation === 'socket') return `syscall=${name}`;
  if (act.dimension === 'network') return `syscall=${name} fd=${event.fileDescriptor}`;
  if (event.operation !== 'open') {
    const flags = nameFlagsText(name, event.flags);
    return `syscall=${name}${flags === undefined ? '' : ` flags=${flags}`}`;
  }
  const directory = name.startsWith('SYS_OPENAT') ? ` fd=${event.fileDescriptor}` : '';
  return `syscall=${name}${directory} flags=${openFlagsText(event.flags, event.syscall)}`;
}

/** The path that the rule covers, where it is another than the resource's. */
function matchedPathOf(verdict: Verdict, { act }: JudgedEvent, text: AlertText): string {
  const { rule } = verdict;
  const path = pathResourceOf(act, verdict.resource)?.path;
  if (rule === undefined || path === undefined || Buffer.compare(rule.matchedPath, path) === 0) return '';
  return text.of('matchedPath', rule.matchedPath);
}

function withFinalSlash(path: Uint8Array): Uint8Array {
  if (path.at(-1) === slash) return path;
  const longer = new Uint8Array(path.length + 1);
  longer.set(path);
  longer[path.length] = slash;
  return longer;
}
