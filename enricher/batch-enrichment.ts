import type {
  Ancestry,
  CommandLine,
  ContainerDescriptor,
  EnrichedEventBatch,
  ProcessContext,
  RawEvent,
  RawEventBatch,
} from '../schemas/generated.ts';
import type { SessionCoverage } from './coverage.ts';
import type { NodeState } from './node-state.ts';
import type { ProcessNode } from './process-node.ts';

/** Bytes of programs in all ancestries of one batch: a value in the log has room for 16 MiB. A usual batch has some kilobytes. */
const maxBatchAncestryBytes = 4 * 1024 * 1024;

/**
 * One raw batch on its way to an enriched one. Work is done by process context, of which a batch has far fewer than rows; a
 * context is resolved at its first row, so its ancestry is what was true there.
 */
export class BatchEnrichment {
  readonly #batch: RawEventBatch;
  readonly #node: NodeState;
  readonly #session: SessionCoverage;
  readonly #workload: (descriptor: ContainerDescriptor) => ContainerDescriptor;
  /** By context: its process in the tree. */
  readonly #nodes: (ProcessNode | undefined)[];
  readonly #processContainers: number[];
  readonly #processAncestries: number[];
  readonly #processCommandLines: number[];
  readonly #containers: ContainerDescriptor[] = [];
  readonly #ancestries: Ancestry[] = [];
  readonly #commandLines: CommandLine[] = [];
  readonly #containerIndexes = new Map<bigint, number>();
  #ancestryRoom = maxBatchAncestryBytes;
  readonly #ancestryIndexes = new Map<string, number>();
  readonly #commandLineIndexes = new Map<string, number>();
  /** By the array itself: a process and its forks share one, and their content need not be compared. */
  readonly #sharedCommandLines = new Map<readonly Uint8Array[], number>();

  constructor(
    batch: RawEventBatch,
    options: {
      readonly node: NodeState;
      readonly session: SessionCoverage;
      readonly workload: (descriptor: ContainerDescriptor) => ContainerDescriptor;
    },
  ) {
    this.#batch = batch;
    this.#node = options.node;
    this.#session = options.session;
    this.#workload = options.workload;
    const count = batch.processes.length;
    this.#nodes = new Array<ProcessNode | undefined>(count).fill(undefined);
    this.#processContainers = new Array<number>(count).fill(-1);
    this.#processAncestries = new Array<number>(count).fill(-1);
    this.#processCommandLines = new Array<number>(count).fill(-1);
  }

  /** Takes the batch's rows into the node's state, in their order. */
  run(): EnrichedEventBatch {
    const batch = this.#batch;
    const events: RawEvent[] = [];
    // The host's descriptor goes with every batch: alerts name the host whatever process they are about.
    this.#containerIndex(0n);
    let highest = batch.baseTimeNs;
    let highestOffset = 0;
    for (const event of batch.events) {
      // What /proc told is numbered as if of a CPU -1.
      if (!this.#session.accept(event.cpu, event.sequence, event.operation)) continue;
      events.push(event);
      if (event.timeNs > highestOffset) highestOffset = event.timeNs;
      this.#take(event);
    }
    // Times are wrapped to 64 bits: a node may say any numbers, and may not stop the flow by them.
    highest = BigInt.asIntN(64, highest + BigInt(highestOffset));
    if (highest > this.#node.eventTimeNs) this.#node.eventTimeNs = highest;
    return {
      raw: events.length === batch.events.length ? batch : { ...batch, events },
      containers: this.#containers,
      processContainers: this.#processContainers,
      ancestries: this.#ancestries,
      processAncestries: this.#processAncestries,
      commandLines: this.#commandLines,
      processCommandLines: this.#processCommandLines,
      eventTimeNs: this.#node.eventTimeNs,
    };
  }

  #take(event: RawEvent): void {
    const context = this.#batch.processes[event.process];
    if (context === undefined || context.hostPid < 0) return;
    const known = this.#nodes[event.process];
    const node = known ?? this.#node.tree.observe(context, this.#batch.strings);
    this.#nodes[event.process] = node;
    switch (event.operation) {
      case 'exec':
      case 'existing':
        this.#takeArguments(event, node);
        break;
      case 'fork':
        this.#takeFork(event, node);
        break;
      case 'exit':
        this.#node.tree.exit(node);
        break;
      case 'open':
      case 'connect':
      case 'unlink':
      case 'rmdir':
      case 'rename':
      case 'socket':
      case 'bind':
      case 'listen':
      case 'accept':
      case 'unknown':
        break;
    }
    if (known === undefined) this.#resolve(event.process, context, node);
  }

  #takeArguments(event: RawEvent, node: ProcessNode): void {
    const exec = this.#batch.execs[event.exec];
    if (exec === undefined || event.returnValue < 0) return;
    const values = exec.arguments.map((index) => this.#batch.strings[index] ?? new Uint8Array(0));
    this.#node.tree.setArguments(node, values, exec.argumentsTruncated);
  }

  #takeFork(event: RawEvent, node: ProcessNode): void {
    if (event.childHostPid <= 0 || event.returnValue < 0) return;
    const startTimeNs = BigInt.asIntN(64, this.#batch.baseTimeNs + BigInt(event.childStartTimeNs));
    if (event.childHostPid === node.hostPid && startTimeNs === node.startTimeNs) return;
    this.#node.tree.fork(node, { hostPid: event.childHostPid, startTimeNs });
  }

  #resolve(index: number, context: ProcessContext, node: ProcessNode): void {
    this.#processContainers[index] = this.#containerIndex(context.containerCgroupId);
    this.#processAncestries[index] = this.#ancestryIndex(context, node);
    this.#processCommandLines[index] = this.#commandLineIndex(node);
  }

  #containerIndex(cgroupId: bigint): number {
    let index = this.#containerIndexes.get(cgroupId);
    if (index === undefined) {
      const descriptor = this.#node.containers.get(cgroupId);
      index = descriptor === undefined ? -1 : this.#containers.push(this.#workload(descriptor)) - 1;
      this.#containerIndexes.set(cgroupId, index);
    }
    return index;
  }

  #ancestryIndex(context: ProcessContext, node: ProcessNode): number {
    const { parent } = node;
    const sameParent = parent?.hostPid === context.hostPpid && parent.startTimeNs === context.parentStartTimeNs;
    // What the kernel said of the parent holds where that is still the one that made the process.
    const told = sameParent ? this.#batch.strings[context.parentExecutable] : undefined;
    const parentExecutable = told?.length === 0 ? undefined : told;
    const changes = this.#node.tree.ancestorChanges;
    const key = `${changes}/${node.parentHostPid}/${node.parentStartTimeNs}/${sameParent ? context.parentExecutable : -1}`;
    let index = this.#ancestryIndexes.get(key);
    if (index === undefined) {
      const ancestry =
        this.#ancestryRoom > 0 ? this.#node.tree.ancestry(node, parentExecutable) : { ancestors: [], complete: false };
      for (const { executable } of ancestry.ancestors) this.#ancestryRoom -= executable.length;
      index = this.#ancestries.push(ancestry) - 1;
      this.#ancestryIndexes.set(key, index);
    }
    return index;
  }

  #commandLineIndex(node: ProcessNode): number {
    if (node.arguments === undefined) return -1;
    const shared = this.#sharedCommandLines.get(node.arguments);
    if (shared !== undefined && this.#commandLines[shared]?.truncated === node.argumentsTruncated) return shared;
    // By content: whether two processes share one array must not show, it is otherwise after a restart.
    const key = `${node.argumentsTruncated}\0${node.arguments.map((bytes) => latin1(bytes)).join('\0')}`;
    let index = this.#commandLineIndexes.get(key);
    if (index === undefined) {
      index = this.#commandLines.push({ arguments: node.arguments, truncated: node.argumentsTruncated }) - 1;
      this.#commandLineIndexes.set(key, index);
    }
    this.#sharedCommandLines.set(node.arguments, index);
    return index;
  }
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}
