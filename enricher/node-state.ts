import type { CpuState, EnricherState, ProcessState, RawEventBatch } from '../schemas/generated.ts';
import { ContainerTable } from './container-table.ts';
import { SessionCoverage, slotOfCpu } from './coverage.ts';
import { EvictionOrder } from './eviction-order.ts';
import type { ProcessRow } from './process-node.ts';
import { ProcessTree } from './process-tree.ts';

/**
 * State records of a node that together hold everything, each a share of it beside the batch's changes. 64 shares of 5,000
 * processes are 80 rows a record; to restore 30 nodes reads 1,920 records.
 */
export const stateSlots = 64;
/** Sessions whose repeats are still told, the latest of a node: one that ends, one that begins, and those of quick restarts. */
export const maxSessions = 4;
/** Earlier boots remembered of a node, so as to tell one that is still alive. */
export const maxPastBoots = 8;

/** Everything the enricher remembers of one node. */
export class NodeState {
  readonly nodeId: string;
  bootId = '';
  eventTimeNs = 0n;
  tree: ProcessTree;
  containers: ContainerTable;
  #eviction = new EvictionOrder();
  #pastBoots: string[] = [];
  #sessions: SessionCoverage[] = [];
  #order = 0;
  #restoring = false;

  constructor(nodeId: string) {
    this.nodeId = nodeId;
    this.tree = new ProcessTree({ slots: stateSlots, order: this.#eviction });
    this.containers = new ContainerTable({ slots: stateSlots, order: this.#eviction });
  }

  /** Makes ready for a batch of this boot; tells whether an earlier boot of the node is alive beside a later one. */
  beginBatch(batch: RawEventBatch): { readonly twoBoots: boolean } {
    if (this.#restoring) {
      this.#restoring = false;
      this.tree.finishRestore();
      this.containers.finishRestore();
    }
    if (batch.bootId === this.bootId) return { twoBoots: false };
    const twoBoots = this.#pastBoots.includes(batch.bootId);
    if (this.bootId !== '') {
      const others = this.#pastBoots.filter((boot) => boot !== batch.bootId);
      this.#pastBoots = [...others, this.bootId].slice(-maxPastBoots);
    }
    this.#beginBoot(batch.bootId);
    return { twoBoots };
  }

  /** The session of a batch. */
  session(bootId: string, session: bigint): SessionCoverage {
    const known = this.#sessions.find((one) => one.session === session && one.bootId === bootId);
    if (known !== undefined) return known;
    const begun = new SessionCoverage(bootId, session);
    this.#sessions.push(begun);
    if (this.#sessions.length > maxSessions) this.#sessions.shift();
    return begun;
  }

  /** The state record that belongs to a batch: what it changed, and one slot's share of everything. */
  takeState(): EnricherState {
    const order = this.#order + 1;
    this.#order = order;
    const slot = order % stateSlots;
    const strings = new StringTable();
    const processes = this.tree.takeState(slot);
    const containers = this.containers.takeState(slot);
    return {
      nodeId: this.nodeId,
      slot,
      order,
      bootId: this.bootId,
      pastBoots: this.#pastBoots,
      eventTimeNs: this.eventTimeNs,
      nextOrder: this.#eviction.next,
      evictedProcesses: this.tree.evicted,
      evictedContainers: this.containers.evicted,
      strings: strings.values,
      processes: processes.rows.map((row) => processState(row, strings)),
      removedProcesses: processes.removed,
      containers: containers.entries,
      removedContainers: containers.removed,
      sessions: this.#sessions.map((session) => session.state()),
      cpus: this.#sessions.flatMap((session, index) => session.takeCpuStates(index, slot, stateSlots)),
    };
  }

  /** Instead of `takeState`, where nobody keeps it. */
  forgetChanges(): void {
    this.tree.forgetChanges();
    this.containers.forgetChanges();
    for (const session of this.#sessions) session.forgetChanges();
  }

  /** Takes over a state record; all of a node's, in their order, restore what was there when the last one was made. */
  restore(state: EnricherState): void {
    this.#restoring = true;
    if (state.bootId !== this.bootId) this.#beginBoot(state.bootId);
    this.#pastBoots = [...state.pastBoots];
    this.#order = state.order;
    this.#eviction.next = state.nextOrder;
    this.eventTimeNs = state.eventTimeNs;
    this.tree.evicted = state.evictedProcesses;
    this.containers.evicted = state.evictedContainers;
    const { slot } = state;
    this.tree.restore({
      slot,
      rows: state.processes.map((process) => processRow(process, state.strings)),
      removed: state.removedProcesses,
    });
    this.containers.restore({ slot, entries: state.containers, removed: state.removedContainers });
    this.#restoreSessions(state);
  }

  #restoreSessions(state: EnricherState): void {
    const known = this.#sessions;
    this.#sessions = state.sessions.map((row) => {
      const session =
        known.find((one) => one.session === row.session && one.bootId === row.bootId) ??
        new SessionCoverage(row.bootId, row.session);
      session.restore(row);
      for (const cpu of session.cpus.keys()) if (slotOfCpu(cpu, stateSlots) === state.slot) session.cpus.delete(cpu);
      return session;
    });
    state.cpus.forEach((cpu: CpuState) => this.#sessions[cpu.session]?.restoreCpu(cpu));
  }

  /** Pids, start times, cgroup ids and boot times of another boot mean nothing in this one. */
  #beginBoot(bootId: string): void {
    this.bootId = bootId;
    this.eventTimeNs = 0n;
    this.#eviction = new EvictionOrder();
    this.tree = new ProcessTree({ slots: stateSlots, order: this.#eviction });
    this.containers = new ContainerTable({ slots: stateSlots, order: this.#eviction });
  }
}

/** Distinct byte strings of one record and their indexes. */
class StringTable {
  readonly values: Uint8Array[] = [];
  readonly #indexes = new Map<string, number>();

  index(bytes: Uint8Array): number {
    const key = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
    let index = this.#indexes.get(key);
    if (index === undefined) {
      index = this.values.push(bytes) - 1;
      this.#indexes.set(key, index);
    }
    return index;
  }
}

function processState(row: ProcessRow, strings: StringTable): ProcessState {
  return {
    hostPid: row.hostPid,
    startTimeNs: row.startTimeNs,
    parentHostPid: row.parentHostPid,
    parentStartTimeNs: row.parentStartTimeNs,
    executable: strings.index(row.executable),
    arguments: row.arguments?.map((argument) => strings.index(argument)) ?? null,
    argumentsTruncated: row.argumentsTruncated,
    containerCgroupId: row.containerCgroupId,
    exited: row.exited,
    leafOrder: row.leafOrder,
  };
}

function processRow(state: ProcessState, strings: readonly Uint8Array[]): ProcessRow {
  const bytes = (index: number): Uint8Array => new Uint8Array(strings[index] ?? []);
  return {
    ...state,
    executable: bytes(state.executable),
    arguments: state.arguments?.map(bytes),
  };
}
