import type { Ancestor, Ancestry, ProcessContext } from '../schemas/generated.ts';
import type { EvictionOrder } from './eviction-order.ts';
import {
  byIdentity,
  bytesOf,
  isWithin,
  keyOf,
  noParent,
  sameBytes,
  unknownParent,
  type ProcessIdentity,
  type ProcessNode,
  type ProcessRow,
} from './process-node.ts';

/** Processes remembered of one node: a busy host has some thousands; beyond this the oldest without children go first. */
export const maxProcesses = 32_768;
/**
 * Bytes of all their programs and arguments: 250 for each, and little enough that one share of the state, which somebody
 * may fill by choosing pids, stays below the 16 MiB of a value in the log together with what one batch changes.
 */
export const maxTreeBytes = 8 * 1024 * 1024;
/** Exited processes without children remembered of one node: their last events may come after their exit, from another CPU. */
export const maxExitedLeaves = 1_024;
/** Bytes kept of a process's arguments: the command line of what it does later, by the thousand in memory and in the state. */
export const maxArgumentBytes = 1_024;
/** Longest ancestry told: a chain of forks can be made as long as one likes, and each alert carries it. */
export const maxAncestors = 64;
/** Bytes of programs in one ancestry: a usual one has 300, and each program may have 4,096. */
export const maxAncestryBytes = 16 * 1024;

const noBytes = new Uint8Array(0);

/**
 * The processes of one boot of one node, from forks, execs, exits and what any event's context says. Only processes
 * without children are ever forgotten, so a chain of ancestors never breaks in the middle: exited ones when more than
 * `maxExitedLeaves` of them are kept, living ones when there are more than `maxProcesses`, oldest first. Which one is
 * forgotten follows from the events alone.
 */
export class ProcessTree {
  /** Living processes forgotten for want of room. */
  evicted = 0;
  /** Rises when something changes that ancestries of other processes tell: program or parent of one that has children. */
  ancestorChanges = 0;
  readonly #slots: Map<string, ProcessNode>[];
  readonly #order: EvictionOrder;
  /** In the order of `leafOrder`, which is the order of insertion. */
  readonly #livingLeaves = new Set<ProcessNode>();
  readonly #exitedLeaves = new Set<ProcessNode>();
  readonly #changed = new Set<ProcessNode>();
  /** Among the changed ones those that no state record has: where one is forgotten, none need say so. */
  readonly #untold = new Set<ProcessNode>();
  #removed: ProcessIdentity[] = [];
  #size = 0;
  #bytes = 0;

  constructor(options: { readonly slots: number; readonly order: EvictionOrder }) {
    this.#slots = Array.from({ length: options.slots }, () => new Map<string, ProcessNode>());
    this.#order = options.order;
  }

  get size(): number {
    return this.#size;
  }

  /** The process of an event's context, as that says it is; made where it is new, and its parent too. */
  observe(context: ProcessContext, strings: readonly Uint8Array[]): ProcessNode {
    const executable = strings[context.executable] ?? noBytes;
    let node = this.#find(context.hostPid, context.startTimeNs);
    if (node === undefined) {
      node = this.#add(context, { executable, containerCgroupId: context.containerCgroupId });
      this.#adopt(node, context, strings);
      return node;
    }
    if (node.parentHostPid === unknownParent) this.#adopt(node, context, strings);
    // Empty: the kernel's programs could not read it, which is no other program.
    if (executable.length > 0 && !sameBytes(node.executable, executable)) {
      // Its exec is not known (yet): the arguments were another program's.
      this.#bytes -= bytesOf(node);
      node.executable = new Uint8Array(executable);
      node.arguments = undefined;
      node.argumentsTruncated = false;
      this.#bytes += bytesOf(node);
      this.#changed.add(node);
      if (node.children > 0) this.ancestorChanges += 1;
    }
    if (node.containerCgroupId !== context.containerCgroupId) {
      node.containerCgroupId = context.containerCgroupId;
      this.#changed.add(node);
    }
    return node;
  }

  /** `parent` made a process, which until its first exec is what its parent is. */
  fork(parent: ProcessNode, child: ProcessIdentity): void {
    const known = this.#find(child.hostPid, child.startTimeNs);
    if (known !== undefined) {
      // Its first event overtook the fork.
      if (known.arguments === undefined && sameBytes(known.executable, parent.executable)) {
        this.#shareArguments(known, parent);
      }
      return;
    }
    const node = this.#add(child, parent);
    this.#shareArguments(node, parent);
    this.#link(node, parent);
  }

  /** The arguments of `node`'s last exec. */
  setArguments(node: ProcessNode, values: readonly Uint8Array[], truncated: boolean): void {
    let room = maxArgumentBytes;
    const kept: Uint8Array[] = [];
    for (const value of values) {
      // An empty argument takes room too, or a list of them would have no bound.
      if (room <= 0) break;
      kept.push(new Uint8Array(value.subarray(0, room)));
      room -= value.length + 1;
    }
    this.#bytes -= bytesOf(node);
    node.arguments = kept;
    this.#bytes += bytesOf(node);
    node.argumentsTruncated = truncated || room < -1 || kept.length < values.length;
    this.#changed.add(node);
  }

  /** `node` has exited; it is remembered while it has children, and for a while after. */
  exit(node: ProcessNode): void {
    if (node.exited) return;
    node.exited = true;
    this.#changed.add(node);
    if (this.#livingLeaves.delete(node)) this.#becomeLeaf(node);
  }

  /**
   * The ancestors of `node` from its parent on. `parentExecutable` is what the kernel said of the parent at the event, if
   * it is still the one that made the process.
   */
  ancestry(node: ProcessNode, parentExecutable: Uint8Array | undefined): Ancestry {
    const ancestors: Ancestor[] = [];
    let below = node;
    let room = maxAncestryBytes;
    for (let above = node.parent; above !== undefined; above = above.parent) {
      const executable = above === node.parent ? (parentExecutable ?? above.executable) : above.executable;
      room -= executable.length;
      if (ancestors.length === maxAncestors || room < 0) return { ancestors, complete: false };
      ancestors.push({ hostPid: above.hostPid, startTimeNs: above.startTimeNs, executable });
      below = above;
    }
    return { ancestors, complete: below.parentHostPid === noParent };
  }

  /** Forgets what is beyond the limits. Once a batch, so that no process of the batch is forgotten within it. */
  trim(): void {
    for (const leaf of this.#exitedLeaves) {
      if (this.#exitedLeaves.size <= maxExitedLeaves) break;
      this.#remove(leaf);
    }
    while (this.#size > maxProcesses || this.#bytes > maxTreeBytes) {
      const exited = this.#exitedLeaves.values().next();
      const oldest = exited.done === true ? this.#livingLeaves.values().next() : exited;
      if (oldest.done === true) return;
      if (!oldest.value.exited) this.evicted += 1;
      this.#remove(oldest.value);
    }
  }

  /** The container cgroups that processes are in. */
  containerCgroupIds(): Set<bigint> {
    const ids = new Set<bigint>();
    for (const slot of this.#slots) for (const node of slot.values()) ids.add(node.containerCgroupId);
    return ids;
  }

  /** What changed since the last call, and everything of `slot`; each process once, in an order of its own. */
  takeState(slot: number): { readonly rows: readonly ProcessRow[]; readonly removed: readonly ProcessIdentity[] } {
    const rows = [...(this.#slots[slot]?.values() ?? [])];
    for (const node of this.#changed) if (node.hostPid % this.#slots.length !== slot) rows.push(node);
    rows.sort(byIdentity);
    const removed = this.#removed;
    this.forgetChanges();
    return { rows, removed };
  }

  /** Instead of `takeState`, where nobody keeps it. */
  forgetChanges(): void {
    this.#changed.clear();
    this.#untold.clear();
    this.#removed = [];
  }

  /** The inverse of `takeState`; `finishRestore` makes the links when all records are in. */
  restore(state: {
    readonly slot: number;
    readonly rows: readonly ProcessRow[];
    readonly removed: readonly ProcessIdentity[];
  }): void {
    this.#slots[state.slot]?.clear();
    for (const { hostPid, startTimeNs } of state.removed) {
      this.#slotOf(hostPid).delete(keyOf(hostPid, startTimeNs));
    }
    for (const row of state.rows) {
      this.#slotOf(row.hostPid).set(keyOf(row.hostPid, row.startTimeNs), { ...row, parent: undefined, children: 0 });
    }
  }

  /** Makes links, counts and queues of the restored rows. */
  finishRestore(): void {
    this.#size = 0;
    this.#bytes = 0;
    const leaves: ProcessNode[] = [];
    for (const slot of this.#slots) {
      this.#size += slot.size;
      for (const node of slot.values()) {
        this.#bytes += bytesOf(node);
        if (node.leafOrder > 0) leaves.push(node);
        if (node.parentHostPid <= 0) continue;
        node.parent = this.#find(node.parentHostPid, node.parentStartTimeNs);
        if (node.parent !== undefined) node.parent.children += 1;
      }
    }
    leaves.sort((first, second) => first.leafOrder - second.leafOrder);
    for (const leaf of leaves) (leaf.exited ? this.#exitedLeaves : this.#livingLeaves).add(leaf);
  }

  #slotOf(hostPid: number): Map<string, ProcessNode> {
    const slot = this.#slots[hostPid % this.#slots.length];
    if (slot === undefined) throw new Error(`a process tree has no slot for pid ${hostPid}`);
    return slot;
  }

  #find(hostPid: number, startTimeNs: bigint): ProcessNode | undefined {
    return this.#slotOf(hostPid).get(keyOf(hostPid, startTimeNs));
  }

  #add(
    identity: ProcessIdentity,
    like: { readonly executable: Uint8Array; readonly containerCgroupId: bigint },
  ): ProcessNode {
    const { hostPid, startTimeNs } = identity;
    const node: ProcessNode = {
      hostPid,
      startTimeNs,
      // Init and kthreadd are the kernel's own children: nobody has to tell.
      parentHostPid: hostPid === 1 || hostPid === 2 ? noParent : unknownParent,
      parentStartTimeNs: 0n,
      parent: undefined,
      executable: new Uint8Array(like.executable),
      arguments: undefined,
      argumentsTruncated: false,
      containerCgroupId: like.containerCgroupId,
      exited: false,
      children: 0,
      leafOrder: 0,
    };
    this.#slotOf(hostPid).set(keyOf(hostPid, startTimeNs), node);
    this.#untold.add(node);
    this.#size += 1;
    this.#bytes += bytesOf(node);
    this.#becomeLeaf(node);
    return node;
  }

  /** Gives `node` the parent that `context` names; one that nothing has told of yet is known by its executable alone. */
  #adopt(node: ProcessNode, context: ProcessContext, strings: readonly Uint8Array[]): void {
    if (context.hostPpid <= 0) {
      node.parentHostPid = noParent;
      this.#changed.add(node);
      if (node.children > 0) this.ancestorChanges += 1;
      return;
    }
    if (context.hostPpid === node.hostPid && context.parentStartTimeNs === node.startTimeNs) return;
    const parent =
      this.#find(context.hostPpid, context.parentStartTimeNs) ??
      this.#add(
        { hostPid: context.hostPpid, startTimeNs: context.parentStartTimeNs },
        // Where it belongs is not said; where its child is, is the best guess until it acts itself.
        {
          executable: strings[context.parentExecutable] ?? noBytes,
          containerCgroupId: context.containerCgroupId,
        },
      );
    // A dishonest node might name a descendant as the parent: the walk to the root must end.
    if (node.children > 0 && isWithin(parent, node)) return;
    this.#link(node, parent);
  }

  #link(node: ProcessNode, parent: ProcessNode): void {
    if (node.children > 0) this.ancestorChanges += 1;
    node.parent = parent;
    node.parentHostPid = parent.hostPid;
    node.parentStartTimeNs = parent.startTimeNs;
    this.#changed.add(node);
    parent.children += 1;
    if (parent.leafOrder > 0) {
      parent.leafOrder = 0;
      this.#livingLeaves.delete(parent);
      this.#exitedLeaves.delete(parent);
      this.#changed.add(parent);
    }
  }

  /** Until its first exec a process has the arguments of its parent. */
  #shareArguments(node: ProcessNode, parent: ProcessNode): void {
    this.#bytes -= bytesOf(node);
    node.arguments = parent.arguments;
    node.argumentsTruncated = parent.argumentsTruncated;
    this.#bytes += bytesOf(node);
    this.#changed.add(node);
  }

  #becomeLeaf(node: ProcessNode): void {
    node.leafOrder = this.#order.take();
    (node.exited ? this.#exitedLeaves : this.#livingLeaves).add(node);
    this.#changed.add(node);
  }

  #remove(leaf: ProcessNode): void {
    const { hostPid, startTimeNs, parent } = leaf;
    this.#slotOf(hostPid).delete(keyOf(hostPid, startTimeNs));
    this.#size -= 1;
    this.#bytes -= bytesOf(leaf);
    this.#livingLeaves.delete(leaf);
    this.#exitedLeaves.delete(leaf);
    this.#changed.delete(leaf);
    if (!this.#untold.delete(leaf)) this.#removed.push({ hostPid, startTimeNs });
    if (parent === undefined) return;
    parent.children -= 1;
    if (parent.children === 0) this.#becomeLeaf(parent);
  }
}
