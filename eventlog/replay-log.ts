import type { TopicName } from '../schemas/topics.ts';
import { CaptureError } from './capture-error.ts';
import type { CaptureEventLog } from './capture.ts';
import type {
  AssignedPartition,
  ConsumeOptions,
  EventLog,
  InputBatch,
  LogRecord,
  OutputRecord,
  ReadOptions,
  StampedOutput,
} from './event-log.ts';
import type { MemoryEventLog } from './memory.ts';
import { nextTurn } from './next-turn.ts';

/** Records of raw events handed out in one go: some tens of thousands of events, decoded. */
const defaultBatchRecords = 32;
/** Outputs that wait for the slowest sink, beyond which reading waits for it: some tens of megabytes. */
const maxWaiting = 20_000;

export interface ReplayLogOptions {
  readonly capture: CaptureEventLog;
  /** For what follows. Whoever gave it disposes of it. */
  readonly outputs: MemoryEventLog;
  /** Topics that sinks read: other outputs are counted and forgotten. */
  readonly kept: readonly TopicName[];
  /** In the place of the recorded policies: all of them apply before the first event. */
  readonly policies?: readonly LogRecord[];
  /** Where batches are cut means nothing; for tests of that. */
  readonly batchRecords?: number;
  /** Called after each batch. */
  readonly onProgress?: (progress: ReplayProgress) => void;
  /** Called when there is nothing more to come, so that the sinks may end. */
  readonly onEnd: () => void;
}

/** What has been judged so far. */
export interface ReplayProgress {
  /** Bytes of the file, and how many of them have been read. */
  readonly bytes: number;
  readonly bytesRead: number;
  readonly events: number;
  /** Records that came of it, by topic. */
  readonly outputs: ReadonlyMap<TopicName, number>;
}

/**
 * A log whose raw events, tables and state come from a capture, as fast as they are taken, and whose other topics are in
 * memory. The stages that run on it are those that run on every log. It ends: where draining would wait for more, there is no
 * more, and a `drain` that comes before ends the reading early.
 */
export class ReplayLog implements EventLog {
  readonly #options: ReplayLogOptions;
  readonly #counts = new Map<TopicName, number>();
  #events = 0;
  #bytesRead = 0;
  /** Of each sink's topic, the outputs that it has not committed yet. */
  readonly #waiting = new Map<TopicName, number>();
  #wakeUp: () => void = () => undefined;
  #damage: CaptureError | undefined;

  constructor(options: ReplayLogOptions) {
    this.#options = options;
  }

  get progress(): ReplayProgress {
    return {
      bytes: this.#options.capture.size,
      bytesRead: this.#bytesRead,
      events: this.#events,
      outputs: this.#counts,
    };
  }

  /** Where the capture was damaged; all that stood before it has been judged. */
  get damage(): CaptureError | undefined {
    return this.#damage;
  }

  async append(records: readonly OutputRecord[]): Promise<void> {
    await this.#options.outputs.append(records);
  }

  read(options: ReadOptions): AsyncIterable<LogRecord> {
    return this.#options.outputs.read(options);
  }

  table(topic: TopicName): Promise<{ readonly records: readonly LogRecord[]; readonly position: number }> {
    return this.#options.outputs.table(topic);
  }

  async consume(options: ConsumeOptions, own: (partition: AssignedPartition) => Promise<void>): Promise<void> {
    if (!options.topics.includes('raw-events')) {
      await this.#options.outputs.consume(options, (partition) => own(this.#counted(partition)));
      return;
    }
    await own({
      partition: 0,
      signal: options.signal,
      tablePositions: {},
      intended: undefined,
      restore: (topic) => this.#snapshot(topic, options.signal),
      batches: () => this.#batches(options),
    });
    this.#options.onEnd();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }

  /** The state that stands ahead of the first events. */
  async *#snapshot(topic: TopicName, signal: AbortSignal): AsyncIterable<LogRecord> {
    try {
      const options = { topics: [topic, 'raw-events'], from: 'start', follow: false, signal } as const;
      for await (const record of this.#options.capture.read(options)) {
        if (record.topic === 'raw-events') return;
        yield record;
      }
    } catch (error) {
      // The batches come to the same place.
      if (!(error instanceof CaptureError)) throw error;
    }
  }

  async *#batches(options: ConsumeOptions): AsyncIterable<InputBatch> {
    const { batchRecords = defaultBatchRecords, policies, capture } = this.#options;
    let records: LogRecord[] = [...(policies ?? [])];
    let inputs = 0;
    let endPosition = 0;
    const hasEnded = (): boolean => options.signal.aborted || options.drain?.aborted === true;
    try {
      for await (const captured of capture.progress(options.signal)) {
        if (hasEnded()) return;
        const { record } = captured;
        const isInput = options.topics.includes(record.topic);
        const isTable = options.tables.includes(record.topic);
        if (!isInput && (!isTable || (record.topic === 'policies' && policies !== undefined))) continue;
        records.push(record);
        ({ endPosition } = captured);
        if (isInput) inputs += 1;
        if (inputs < batchRecords) continue;
        yield this.#batch(records, endPosition, options);
        records = [];
        inputs = 0;
        await nextTurn();
      }
    } catch (error) {
      if (!(error instanceof CaptureError)) throw error;
      this.#damage = error;
    }
    if (records.length > 0 && !hasEnded()) yield this.#batch(records, endPosition, options);
  }

  #batch(records: readonly LogRecord[], endPosition: number, options: ConsumeOptions): InputBatch {
    return {
      partition: 0,
      records,
      waiting: 0,
      commit: async (outputs) => {
        await this.#publish(outputs);
        this.#events += eventsOf(records);
        this.#bytesRead = endPosition;
        this.#options.onProgress?.(this.progress);
        await this.#room(options);
      },
      intend: () => Promise.reject(new TypeError('a capture is no input of a sink')),
    };
  }

  async #publish(outputs: readonly StampedOutput[]): Promise<void> {
    for (const { record } of outputs) increase(this.#counts, record.topic, 1);
    const kept = outputs.flatMap(({ record }) => (this.#options.kept.includes(record.topic) ? [record] : []));
    for (const { topic } of kept) increase(this.#waiting, topic, 1);
    if (kept.length > 0) await this.#options.outputs.append(kept);
  }

  /** Resolves when the sinks have caught up, or all is to end. */
  async #room({ signal, drain }: ConsumeOptions): Promise<void> {
    const end = drain === undefined ? signal : AbortSignal.any([signal, drain]);
    while (Math.max(0, ...this.#waiting.values()) > maxWaiting && !end.aborted) {
      await new Promise<void>((resolve) => {
        this.#wakeUp = resolve;
        end.addEventListener('abort', this.#wakeUp, { once: true });
      });
      end.removeEventListener('abort', this.#wakeUp);
    }
  }

  /** A sink's partition, whose commits make room. */
  #counted(partition: AssignedPartition): AssignedPartition {
    const counted = (batch: InputBatch): InputBatch => ({
      ...batch,
      commit: async (outputs) => {
        await batch.commit(outputs);
        for (const { topic } of batch.records) increase(this.#waiting, topic, -1);
        this.#wakeUp();
      },
    });
    return {
      partition: partition.partition,
      signal: partition.signal,
      tablePositions: partition.tablePositions,
      intended: partition.intended,
      restore: (topic) => partition.restore(topic),
      async *batches() {
        for await (const batch of partition.batches()) yield counted(batch);
      },
    };
  }
}

function increase(counts: Map<TopicName, number>, topic: TopicName, by: number): void {
  counts.set(topic, (counts.get(topic) ?? 0) + by);
}

/** Events of the records that can be read; the others are dead letters. */
function eventsOf(records: readonly LogRecord[]): number {
  let events = 0;
  for (const record of records) {
    if (record.topic !== 'raw-events') continue;
    try {
      events += record.value?.events.length ?? 0;
    } catch {
      // The runner has made a dead letter of it.
      continue;
    }
  }
  return events;
}
