import type { ShownAlert } from './alert-columns.ts';
import { jsonText } from './json-text.ts';

/**
 * An alert as KubeArmor's own clients print it: its protobuf struct through Go's encoding/json, so PascalCase keys in the
 * struct's order, and zero values left out except PPID and UID (KubeArmor v1.7, protobuf/kubearmor.proto, message Alert).
 */
export function kubeArmorAlert(alert: ShownAlert): Readonly<Record<string, unknown>> {
  const owner = { Ref: alert.ownerRef, Name: alert.ownerName, Namespace: alert.ownerNamespace };
  const fields: Readonly<Record<string, unknown>> = {
    Timestamp: Number(alert.timeUnixNs / 1_000_000_000n),
    UpdatedTime: microsecondTime(alert.timeUnixNs),
    ClusterName: alert.clusterName,
    HostName: alert.hostName,
    NamespaceName: alert.namespaceName,
    Owner: Object.values(owner).some((text) => text !== '') ? withoutZeroValues(owner) : '',
    PodName: alert.podName,
    Labels: alert.labels,
    ContainerID: alert.containerId,
    ContainerName: alert.containerName,
    ContainerImage: alert.containerImage,
    HostPPID: alert.hostPpid,
    HostPID: alert.hostPid,
    PPID: alert.ppid,
    PID: alert.pid,
    UID: alert.uid,
    ParentProcessName: alert.parentProcessName,
    ProcessName: alert.processName,
    PolicyName: alert.policyName,
    Severity: alert.severity,
    Tags: alert.tags.join(','),
    ATags: alert.tags,
    Message: alert.message,
    Type: alert.type,
    Source: alert.source,
    Operation: alert.operation,
    Resource: alert.resource,
    Data: alert.data,
    // Of a network alert the resource is pairs as well.
    EventData: eventData(alert.operation === 'Network' ? `${alert.data} ${alert.resource}` : alert.data),
    Enforcer: alert.enforcer,
    Action: alert.action,
    Result: alert.result,
    Cwd: alert.cwd,
    TTY: alert.tty,
    NodeID: alert.nodeId,
  };
  return withoutZeroValues(fields, ['PPID', 'UID']);
}

/** The alert as one line of JSON. Control characters are escaped by JSON itself. */
export function kubeArmorJsonLine(alert: ShownAlert): string {
  return jsonText(kubeArmorAlert(alert));
}

function withoutZeroValues(
  fields: Readonly<Record<string, unknown>>,
  kept: readonly string[] = [],
): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(fields).filter(([key, value]) => kept.includes(key) || !isZeroValue(value)));
}

function isZeroValue(value: unknown): boolean {
  if (Array.isArray(value)) return value.length === 0;
  if (typeof value === 'object' && value !== null) return Object.keys(value).length === 0;
  return value === '' || value === 0;
}

/** `syscall=SYS_OPENAT fd=-100` → `{ Syscall: 'SYS_OPENAT', Fd: '-100' }`. */
function eventData(data: string): Readonly<Record<string, string>> {
  const pairs = data.split(' ').flatMap((part) => {
    const split = part.indexOf('=');
    if (split <= 0) return [];
    const key = part.slice(0, split);
    return [[key.charAt(0).toUpperCase() + key.slice(1), part.slice(split + 1)] as const];
  });
  return Object.fromEntries(pairs);
}

/** `2025-12-16T05:37:19.127331Z`. */
function microsecondTime(unixNs: bigint): string {
  const milliseconds = new Date(Number(unixNs / 1_000_000n)).toISOString().slice(0, -1);
  return `${milliseconds}${String((unixNs / 1000n) % 1000n).padStart(3, '0')}Z`;
}
