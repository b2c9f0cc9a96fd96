/** `parentHostPid` of the first process of a node. */
export const noParent = 0;
/** `parentHostPid` where nothing told it. */
export const unknownParent = -1;

/** A process of one boot of a node, living or exited. */
export interface ProcessNode {
  readonly hostPid: number;
  readonly startTimeNs: bigint;
  /** Who made it, also after that has exited: 0 for the node's first process, -1 where not known. */
  parentHostPid: number;
  parentStartTimeNs: bigint;
  parent: ProcessNode | undefined;
  executable: Uint8Array;
  /** Of its last exec, bounded; `undefined` where that was not seen. */
  arguments: readonly Uint8Array[] | undefined;
  argumentsTruncated: boolean;
  containerCgroupId: bigint;
  exited: boolean;
  children: number;
  /** Place in the order of evictions since it last became a process without children; 0 while it has some. */
  leafOrder: number;
}

/** What a state record says of a process; the tree's links follow from it. */
export type ProcessRow = Omit<ProcessNode, 'parent' | 'children'>;

/** Identifies a process: pids repeat within a boot, a pid with its start time does not. */
export interface ProcessIdentity {
  readonly hostPid: number;
  readonly startTimeNs: bigint;
}

/** Whether `node` is `above` or below it. */
export function isWithin(node: ProcessNode, above: ProcessNode): boolean {
  for (let one: ProcessNode | undefined = node; one !== undefined; one = one.parent) if (one === above) return true;
  return false;
}

/** Beside its bytes, what a string costs in a state record at worst: its length there, and its index in the row, as varints. */
const stringCostBytes = 6;

/** Bytes of program and arguments, as a state record has them at worst. */
export function bytesOf(node: Pick<ProcessNode, 'executable' | 'arguments'>): number {
  let bytes = node.executable.length + stringCostBytes;
  for (const argument of node.arguments ?? []) bytes += argument.length + stringCostBytes;
  return bytes;
}

/** Key of a process in the tree. */
export function keyOf(hostPid: number, startTimeNs: bigint): string {
  return `${hostPid}/${startTimeNs}`;
}

/** Orders processes. */
export function byIdentity(first: ProcessIdentity, second: ProcessIdentity): number {
  if (first.hostPid !== second.hostPid) return first.hostPid - second.hostPid;
  return first.startTimeNs < second.startTimeNs ? -1 : first.startTimeNs > second.startTimeNs ? 1 : 0;
}

/** Whether the bytes are equal. */
export function sameBytes(first: Uint8Array, second: Uint8Array): boolean {
  return first === second || Buffer.compare(first, second) === 0;
}
