import type {
  Coverage,
  CpuState,
  Gap,
  Operation,
  OperationCoverage,
  RawEventBatch,
  SessionState,
} from '../schemas/generated.ts';
import { SequenceWindow } from './sequence-window.ts';

/** CPUs that a kernel can be built for (CONFIG_NR_CPUS, arch/x86/Kconfig, v6.1): rows that name others are left out. */
const maxCpus = 8_192;
/** Places in the kernel's programs times the errors seen there: a monitor has some dozens, a hostile node may tell any number. */
const maxHelperFailures = 256;
/** The largest number that a `long` carries as a JavaScript number (avsc); sums of what a node says may pass it. */
const maxLong = Number.MAX_SAFE_INTEGER - 1;

type OperationCounts = { -readonly [Field in keyof OperationCoverage]: OperationCoverage[Field] };

/** What came of one session of one node, what the kernel says there was, and hence what is missing. */
export class SessionCoverage {
  readonly bootId: string;
  readonly session: bigint;
  readonly cpus = new Map<number, SequenceWindow>();
  readonly #operations = new Map<Operation, OperationCounts>();
  readonly #changed = new Set<SequenceWindow>();
  #lastBatch = 0;
  #lastBatchTimeNs: bigint;
  #coveredBatch = 0;
  #coveredTimeNs: bigint;
  #lostReported = 0;
  #ended = false;
  /** By how much numbers that have not come grew since the last batch was closed. */
  #missingGrowth = 0;
  /** Rows of the present batch that name a CPU beyond the limit. */
  #withoutCpu = 0;

  constructor(bootId: string, session: bigint) {
    this.bootId = bootId;
    this.session = session;
    this.#lastBatchTimeNs = session;
    this.#coveredTimeNs = session;
  }

  /** Whether the row `sequence` of `cpu` comes for the first time. */
  accept(cpu: number, sequence: number, operation: Operation): boolean {
    // A node may say any numbers, and may not grow without a bound by them. -1 stands for /proc.
    if (cpu < -1 || cpu >= maxCpus) {
      this.#withoutCpu += 1;
      return false;
    }
    const window = this.#window(cpu);
    this.#changed.add(window);
    const missingBefore = window.highest - window.received;
    const accepted = window.accept(sequence);
    this.#missingGrowth += window.highest - window.received - missingBefore;
    if (!accepted) return false;
    this.#countsOf(operation).received += 1;
    return true;
  }

  /** Takes over the numbers of a batch whose rows were accepted; tells the gaps that follow from them. */
  close(batch: RawEventBatch): Gap[] {
    const gaps: Gap[] = [];
    // A number that is left out alone says nothing: a monitor that is killed may have used it for what it never appended, and
    // its successor sends the rows again under the next one.
    if (batch.batch > this.#lastBatch + 1 && this.#missingGrowth > 0) {
      gaps.push({
        reason: 'unknown',
        fromTimeNs: this.#lastBatchTimeNs,
        toTimeNs: batch.baseTimeNs,
        lost: null,
        detail: `batches ${this.#lastBatch + 1} to ${batch.batch - 1} never came`,
      });
    }
    this.#missingGrowth = 0;
    if (this.#withoutCpu > 0) {
      gaps.push(this.#gap(batch, 'unknown', this.#withoutCpu, `rows of a CPU that is none of 0 to ${maxCpus - 1}`));
      this.#lostReported = bounded(this.#lostReported + this.#withoutCpu);
      this.#withoutCpu = 0;
    }
    if (batch.batch > this.#lastBatch) {
      this.#lastBatch = batch.batch;
      this.#lastBatchTimeNs = batch.baseTimeNs;
    }
    if (batch.counters.length > 0) {
      const before = this.#dropped();
      this.#takeCounters(batch);
      const now = this.#dropped();
      const noRoom = now.noRoom - before.noRoom - lostBy(batch.gaps, ['ringFull']);
      const skipped = now.skipped - before.skipped - lostBy(batch.gaps, ['recursion']);
      if (noRoom > 0) gaps.push(this.#gap(batch, 'ringFull', noRoom, 'the ring had no room for them'));
      if (skipped > 0) gaps.push(this.#gap(batch, 'recursion', skipped, 'runs of programs that the kernel skipped'));
    }
    this.#lostReported = bounded(this.#lostReported + lostBy(batch.gaps, ['ringLost', 'unknown']));
    if (batch.sessionEnded) {
      this.#ended = true;
      const lost = this.#submittedAndNotReceived() - this.#lostReported;
      if (lost > 0) {
        this.#lostReported = bounded(this.#lostReported + lost);
        gaps.push(this.#gap(batch, 'ringLost', lost, this.#whatIsLost()));
      }
    }
    return gaps;
  }

  /** The coverage record of the span since the last one. */
  report(
    batch: RawEventBatch,
    facts: {
      readonly gaps: readonly Gap[];
      readonly eventTimeNs: bigint;
      readonly evictedProcesses: number;
      readonly evictedContainers: number;
    },
  ): Coverage {
    const fromTimeNs = this.#coveredTimeNs;
    const firstBatch = Math.min(this.#coveredBatch + 1, batch.batch);
    this.#coveredTimeNs = facts.eventTimeNs > fromTimeNs ? facts.eventTimeNs : fromTimeNs;
    this.#coveredBatch = this.#lastBatch;
    return {
      nodeId: batch.nodeId,
      bootId: this.bootId,
      session: this.session,
      origin: batch.origin,
      fromTimeNs,
      toTimeNs: this.#coveredTimeNs,
      wallClockOffsetNs: batch.wallClockOffsetNs,
      firstBatch,
      lastBatch: this.#lastBatch,
      cpus: [...this.cpus.values()]
        .sort((first, second) => first.cpu - second.cpu)
        .map(({ cpu, highest, received, repeated }) => ({
          cpu,
          highestSequence: highest,
          received,
          repeated,
          missing: highest - received,
        })),
      operations: this.#sortedOperations(),
      gaps: [...batch.gaps, ...facts.gaps],
      sessionEnded: batch.sessionEnded,
      evictedProcesses: facts.evictedProcesses,
      evictedContainers: facts.evictedContainers,
      helperFailures: batch.helperFailures.slice(0, maxHelperFailures),
    };
  }

  /** What is no CPU's, for a state record. */
  state(): SessionState {
    return {
      bootId: this.bootId,
      session: this.session,
      lastBatch: this.#lastBatch,
      lastBatchTimeNs: this.#lastBatchTimeNs,
      coveredBatch: this.#coveredBatch,
      coveredTimeNs: this.#coveredTimeNs,
      lostReported: this.#lostReported,
      ended: this.#ended,
      operations: this.#sortedOperations(),
    };
  }

  /** The CPUs that changed since the last call, and those of `slot`. */
  takeCpuStates(sessionIndex: number, slot: number, slots: number): CpuState[] {
    const states = [...this.cpus.values()]
      .filter((window) => this.#changed.has(window) || slotOfCpu(window.cpu, slots) === slot)
      .sort((first, second) => first.cpu - second.cpu)
      .map((window) => ({
        session: sessionIndex,
        cpu: window.cpu,
        highest: window.highest,
        received: window.received,
        repeated: window.repeated,
        window: window.windowBytes(),
      }));
    this.forgetChanges();
    return states;
  }

  /** Instead of `takeCpuStates`, where nobody keeps them. */
  forgetChanges(): void {
    this.#changed.clear();
  }

  /** The inverse of `state`; CPUs stay as they are. */
  restore(state: SessionState): void {
    this.#lastBatch = state.lastBatch;
    this.#lastBatchTimeNs = state.lastBatchTimeNs;
    this.#coveredBatch = state.coveredBatch;
    this.#coveredTimeNs = state.coveredTimeNs;
    this.#lostReported = state.lostReported;
    this.#ended = state.ended;
    this.#operations.clear();
    for (const counts of state.operations) this.#operations.set(counts.operation, { ...counts });
  }

  /** The inverse of `takeCpuStates` for one CPU. */
  restoreCpu(state: CpuState): void {
    const window = new SequenceWindow(state.cpu);
    window.highest = state.highest;
    window.received = state.received;
    window.repeated = state.repeated;
    window.restoreWindow(state.window);
    this.cpus.set(state.cpu, window);
  }

  get ended(): boolean {
    return this.#ended;
  }

  #window(cpu: number): SequenceWindow {
    let window = this.cpus.get(cpu);
    if (window === undefined) {
      window = new SequenceWindow(cpu);
      this.cpus.set(cpu, window);
    }
    return window;
  }

  #countsOf(operation: Operation): OperationCounts {
    let counts = this.#operations.get(operation);
    if (counts === undefined) {
      counts = { operation, seen: 0, filtered: 0, collapsed: 0, submitted: 0, dropped: 0, received: 0 };
      this.#operations.set(operation, counts);
    }
    return counts;
  }

  /** Replaces the kernel's figures by newer ones. */
  #takeCounters(batch: RawEventBatch): void {
    // Those that the batch leaves out stay: a successor knows only the kernel's own figures of a session that it ends.
    for (const { operation } of batch.counters) {
      const counts = this.#countsOf(operation);
      counts.seen = counts.filtered = counts.submitted = counts.dropped = 0;
    }
    for (const counter of batch.counters) {
      const counts = this.#countsOf(counter.operation);
      counts.seen = bounded(counts.seen + counter.seen);
      counts.filtered = bounded(counts.filtered + counter.filtered);
      counts.submitted = bounded(counts.submitted + counter.submitted);
      counts.dropped = bounded(counts.dropped + counter.dropped);
    }
  }

  /** Skipped runs of programs are counted as dropped events of an operation that nobody knows. */
  #dropped(): { readonly noRoom: number; readonly skipped: number } {
    let noRoom = 0;
    let skipped = 0;
    for (const { operation, dropped } of this.#operations.values()) {
      if (operation === 'unknown') skipped += dropped;
      else noRoom += dropped;
    }
    return { noRoom, skipped };
  }

  #submittedAndNotReceived(): number {
    let sum = 0;
    for (const { submitted, received } of this.#operations.values()) sum += Math.max(0, submitted - received);
    return sum;
  }

  #whatIsLost(): string {
    const parts = this.#sortedOperations()
      .filter(({ submitted, received }) => submitted > received)
      .map(({ operation, submitted, received }) => `${operation} ${submitted - received}`);
    return `submitted by the kernel and never received: ${parts.join(', ')}`;
  }

  #gap(batch: RawEventBatch, reason: Gap['reason'], lost: number, detail: string): Gap {
    return { reason, fromTimeNs: this.#coveredTimeNs, toTimeNs: batch.baseTimeNs, lost: bounded(lost), detail };
  }

  #sortedOperations(): OperationCoverage[] {
    return [...this.#operations.values()]
      .map((counts) => ({ ...counts }))
      .sort((first, second) => (first.operation < second.operation ? -1 : 1));
  }
}

/** CPUs are counted from -1, which stands for /proc. */
export function slotOfCpu(cpu: number, slots: number): number {
  return (cpu + 1) % slots;
}

function bounded(sum: number): number {
  return Math.max(-maxLong, Math.min(maxLong, sum));
}

/** How many rows the gaps of these reasons account for. */
function lostBy(gaps: readonly Gap[], reasons: readonly Gap['reason'][]): number {
  let lost = 0;
  for (const gap of gaps) if (reasons.includes(gap.reason)) lost += gap.lost ?? 0;
  return lost;
}
