import type { EventLog } from '../eventlog/event-log.ts';
import type { Monitor, MonitorBlock, MonitorPredecessor, MonitorStatistics } from '../native/monitor.ts';
import type { ContainerDescriptor, Gap, HelperFailure } from '../schemas/generated.ts';
import { BatchAppender } from './batch-appender.ts';
import type { CgroupHierarchy } from './cgroup-hierarchy.ts';
import { ContainerDiscovery } from './container-discovery.ts';
import { countersOf } from './counters.ts';
import { EventDecoder } from './event-decoder.ts';
import { RawBatchEncoder } from './raw-batch.ts';
import type { RuntimeStates } from './runtime-state.ts';
import type { SessionEntry, SessionJournal } from './session-journal.ts';

/** Something an operator may want to know; plain data. */
export interface CollectorEvent {
  readonly level: 'info' | 'warn' | 'error';
  readonly message: string;
  readonly fields: Readonly<Record<string, string | number>>;
}
export type CollectorReport = (event: CollectorEvent) => void;

export interface CollectorSessionOptions {
  readonly nodeId: string;
  readonly bootId: string;
  readonly monitor: Monitor;
  readonly journal: SessionJournal;
  readonly hierarchy: CgroupHierarchy;
  readonly states: RuntimeStates;
  readonly log: Pick<EventLog, 'append'>;
  readonly report: CollectorReport;
  readonly host: ContainerDescriptor;
  /** What already ran, as events. */
  readonly existing: readonly Uint8Array[];
  /** CLOCK_BOOTTIME from which on nothing is left out. */
  readonly watchingSinceNs: bigint;
}

/** A batch closes at whichever comes first. Larger ones cost no less an event, and a reader waits longer for them. */
const batchLimits = { events: 1000, bytes: 100_000 };
const batchMs = 20;
/** An empty batch with the clock and the counters comes at least so often, so that event time moves on a quiet node. */
const countersEveryMs = 1000;
/** With what has to be appended then, a drain is over in this time; else the rest stays pinned for the next start. */
const drainMs = 8000;

/** What a flush adds to the rows. */
interface FlushOptions {
  readonly counters?: boolean;
  readonly ended?: { readonly statistics: MonitorStatistics; readonly helperFailures: readonly HelperFailure[] };
}

/** Reads the monitor's blocks, the predecessors' first, and appends them in batches: the heart of the collector. */
export class CollectorSession {
  readonly #options: CollectorSessionOptions;
  readonly #decoder: EventDecoder;
  readonly #encoder = new RawBatchEncoder();
  readonly #abandon = new AbortController();
  readonly #appender: BatchAppender;
  /**
   * CLOCK_BOOTTIME up to which earlier sessions told everything; 0: nothing is known of this boot. Programs are detached one
   * after another, so the last event of a killed session says nothing: its collector was alive when it last wrote the journal.
   */
  readonly #toldUntilNs: bigint;
  /** CLOCK_BOOTTIME just before this session's programs were detached. */
  #attachedUntilNs: bigint | undefined;
  /** What the journal has of the session whose batches are being written. */
  #entry: SessionEntry | undefined;
  #predecessors: readonly MonitorPredecessor[];
  #discovery: ContainerDiscovery;
  /** The session whose batches are being written, and its last batch. */
  #session: bigint;
  #batch = 0;
  #descriptors: ContainerDescriptor[] = [];
  #gaps: Gap[] = [];
  /** Blocks whose last event is in the batch at hand. */
  #blocks: MonitorBlock[] = [];
  #openedMs = 0;
  #countersMs = performance.now();
  #existing = 0;

  constructor(options: CollectorSessionOptions) {
    this.#options = options;
    const { monitor, journal, bootId, log, report } = options;
    this.#decoder = new EventDecoder((cgroupId, hostPid) => {
      const descriptor = this.#discovery.describe(cgroupId, hostPid);
      if (descriptor !== undefined) this.#descriptors.push(descriptor);
    });
    this.#appender = new BatchAppender(log, this.#abandon.signal, (error) => {
      report({
        level: 'warn',
        message: 'The log did not take a batch; trying again.',
        fields: { error: String(error) },
      });
    });
    this.#predecessors = monitor.predecessors;
    this.#toldUntilNs = journal.latestTold(bootId)?.timeNs ?? 0n;
    this.#discovery = this.#newDiscovery();
    this.#session = 0n;
  }

  /** Until `signal` aborts and the ring is empty. Throws what the log or the kernel threw. */
  async run(signal: AbortSignal): Promise<void> {
    if (this.#toldUntilNs > 0n) this.#decoder.advanceTime(this.#toldUntilNs);
    let deadline: NodeJS.Timeout | undefined;
    const startDeadline = (): void => {
      deadline = setTimeout(() => {
        this.#abandon.abort();
      }, drainMs);
    };
    if (signal.aborted) startDeadline();
    else signal.addEventListener('abort', startDeadline, { once: true });
    try {
      if (this.#predecessors.length === 0) await this.#begin();
      await this.#follow(signal);
      await this.#end();
    } catch (error) {
      if (!this.#abandon.signal.aborted) throw error;
      const message = 'Draining took too long; what is not appended stays in the kernel for the next start.';
      this.#options.report({ level: 'warn', message, fields: {} });
    } finally {
      clearTimeout(deadline);
      signal.removeEventListener('abort', startDeadline);
    }
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const { monitor } = this.#options;
    const blocks = monitor.blocks(this.#abandon.signal)[Symbol.asyncIterator]();
    let next = blocks.next();
    for (;;) {
      // From then on the blocks end with what is in the ring.
      if (signal.aborted) {
        this.#attachedUntilNs ??= monitor.clock().bootTimeNs;
        monitor.detach();
      }
      const result = await within(next, batchMs);
      if (result?.done === true) break;
      if (result === undefined) {
        // Nothing waited: a predecessor's ring, which nobody fills, is read to its end.
        await this.#finishPredecessors(undefined);
      } else {
        await this.#finishPredecessors(result.value.session);
        await this.#add(result.value);
        next = blocks.next();
      }
      const nowMs = performance.now();
      if (nowMs - this.#countersMs >= countersEveryMs) await this.#flush({ counters: true });
      else if (this.#isOpen() && nowMs - this.#openedMs >= batchMs) await this.#flush({});
    }
    await this.#finishPredecessors(undefined);
  }

  /** Ends the predecessors before `session`; all of them where that is `undefined`. After the last one this session begins. */
  async #finishPredecessors(session: bigint | undefined): Promise<void> {
    for (let [predecessor] = this.#predecessors; predecessor !== undefined; [predecessor] = this.#predecessors) {
      if (this.#session !== predecessor.session) this.#continue(predecessor);
      if (predecessor.session === session) return;
      await this.#flush({ ended: predecessor });
      await this.#appender.flush();
      if (!this.#options.monitor.finishPredecessor(predecessor.session)) {
        const fields = { session: predecessor.session.toString() };
        this.#options.report({
          level: 'warn',
          message: 'The ring of an earlier session holds more than could be read.',
          fields,
        });
      }
      this.#predecessors = this.#predecessors.slice(1);
      if (this.#predecessors.length === 0) await this.#begin();
    }
  }

  /** Goes on where a predecessor was killed. */
  #continue(predecessor: MonitorPredecessor): void {
    const { journal, bootId, report } = this.#options;
    const known = journal.find(bootId, predecessor.session);
    this.#session = predecessor.session;
    this.#entry = known;
    this.#batch = known?.batch ?? this.#batchesAtMost(predecessor);
    this.#discovery = this.#newDiscovery();
    const fields = { session: predecessor.session.toString(), lastBatch: this.#batch };
    report({ level: 'info', message: 'Reading what an earlier session left in the kernel.', fields });
  }

  /** A number of batches that a session of which the journal knows nothing cannot have passed. */
  #batchesAtMost(predecessor: MonitorPredecessor): number {
    const submitted = predecessor.statistics.submitted.reduce((sum, count) => sum + count, 0);
    const livedMs = Number((this.#options.watchingSinceNs - predecessor.session) / 1_000_000n);
    return Math.ceil(submitted + livedMs / batchMs);
  }

  /** This life of the monitor: the host, what was lost before it, and what already runs. */
  async #begin(): Promise<void> {
    const { monitor, host, existing, watchingSinceNs } = this.#options;
    this.#session = monitor.session;
    this.#entry = undefined;
    this.#batch = 0;
    this.#discovery = this.#newDiscovery();
    this.#descriptors.push(host);
    // Without a journal what was read of a predecessor is all that is known.
    const before = this.#toldUntilNs > 0n ? this.#toldUntilNs : this.#decoder.highestTimeNs;
    if (before > 0n) {
      this.#gaps.push(gap('monitorAway', before, watchingSinceNs, 'No monitor was attached.'));
    }
    for (const { session, reason } of monitor.discarded) {
      this.#gaps.push(gap('ringLost', session === 0n ? before : session, watchingSinceNs, reason));
    }
    this.#decoder.advanceTime(watchingSinceNs);
    this.#existing = existing.length;
    const bytes = Buffer.concat(existing);
    await this.#add({ session: monitor.session, bytes, release: () => undefined });
    await this.#flush({ counters: true });
  }

  async #end(): Promise<void> {
    const { monitor } = this.#options;
    this.#abandon.signal.throwIfAborted();
    const ended = { statistics: monitor.statistics(), helperFailures: monitor.helperFailures() };
    await this.#flush({ ended });
    await this.#appender.flush();
  }

  #isOpen(): boolean {
    return this.#decoder.eventCount > 0 || this.#blocks.length > 0 || this.#gaps.length > 0;
  }

  async #add(block: MonitorBlock): Promise<void> {
    for (let position = 0; position < block.bytes.length;) {
      if (!this.#isOpen()) this.#openedMs = performance.now();
      position = this.#decoder.add(block.bytes, position, batchLimits);
      if (this.#decoder.invalidCount > 0) this.#noteInvalid();
      if (position < block.bytes.length) await this.#flush({});
    }
    this.#blocks.push(block);
    const isFull = this.#decoder.eventCount >= batchLimits.events || this.#decoder.byteLength >= batchLimits.bytes;
    if (isFull) await this.#flush({});
  }

  /** Kernel bytes that are no events are a gap of the batch that they would be in. */
  #noteInvalid(): void {
    const { invalid, invalidCount, highestTimeNs } = this.#decoder;
    const detail = invalid[0]?.message ?? '';
    this.#gaps.push({ ...gap('unknown', highestTimeNs, highestTimeNs, detail), lost: invalidCount });
    const fields = { code: 'KERNEL_EVENT_INVALID', count: invalidCount };
    this.#options.report({ level: 'error', message: detail, fields });
    this.#decoder.forgetInvalid();
  }

  async #flush(options: FlushOptions): Promise<void> {
    const { nodeId, bootId, monitor } = this.#options;
    const clock = monitor.clock();
    const isCurrent = this.#session === monitor.session;
    // An empty batch tells the time; that of an ended session stands still.
    if (isCurrent && this.#decoder.eventCount === 0) this.#decoder.advanceTime(clock.bootTimeNs);
    let ended = options.ended;
    if (ended === undefined && options.counters === true && isCurrent) {
      ended = { statistics: monitor.statistics(), helperFailures: monitor.helperFailures() };
    }
    if (ended !== undefined) this.#countersMs = performance.now();
    const blocks = this.#blocks;
    this.#blocks = [];
    this.#batch += 1;
    this.#write({
      bootId,
      session: this.#session,
      batch: this.#batch,
      timeNs: this.#attachedTimeNs(isCurrent),
      isTold: this.#entry?.isTold ?? false,
    });
    const encodedValue = this.#encoder.encode(
      {
        nodeId,
        bootId,
        session: this.#session,
        batch: this.#batch,
        wallClockOffsetNs: clock.wallTimeNs - clock.bootTimeNs,
        containers: [...this.#descriptors.splice(0), ...this.#discovery.later()],
        counters: ended === undefined ? [] : countersOf(ended.statistics, isCurrent ? this.#existing : 0),
        helperFailures: ended?.helperFailures ?? [],
        gaps: this.#gaps.splice(0),
        sessionEnded: options.ended !== undefined,
      },
      this.#decoder,
    );
    await this.#appender.push({ topic: 'raw-events', key: nodeId, encodedValue }, () => {
      for (const block of blocks) block.release();
      // Of the session at hand it was the first batch, which has its beginning.
      if (isCurrent && this.#entry?.isTold === false) this.#write({ ...this.#entry, isTold: true });
    });
  }

  /** Up to when the session at hand surely had all its programs attached. */
  #attachedTimeNs(isCurrent: boolean): bigint {
    const { highestTimeNs } = this.#decoder;
    return (isCurrent ? this.#attachedUntilNs : this.#entry?.timeNs) ?? highestTimeNs;
  }

  #write(entry: SessionEntry): void {
    this.#entry = entry;
    this.#options.journal.write(entry);
  }

  #newDiscovery(): ContainerDiscovery {
    const { monitor, hierarchy, states } = this.#options;
    return new ContainerDiscovery({ maps: monitor, hierarchy, states, now: () => performance.now() });
  }
}

function gap(reason: Gap['reason'], fromTimeNs: bigint, toTimeNs: bigint, detail: string): Gap {
  return { reason, fromTimeNs, toTimeNs, lost: null, detail };
}

/** What `promise` gives; `undefined` where it takes longer. */
async function within<Value>(promise: Promise<Value>, ms: number): Promise<Value | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, ms, undefined);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
