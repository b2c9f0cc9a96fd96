import type { TopicName } from '../schemas/topics.ts';
import { decodeRecord } from './decode-record.ts';
import { EventLogError } from './errors.ts';
import type {
  AssignedPartition,
  ConsumeOptions,
  InputBatch,
  LogRecord,
  OffsetRange,
  StampedOutput,
  TablePositions,
} from './event-log.ts';
import type { GroupState, LogStore, StoredRecord } from './log-store.ts';
import { Merge, positionsOf } from './merge.ts';
import { nextTurn } from './next-turn.ts';
import { storable } from './storable.ts';
import type { WireFormat } from './wire-format.ts';

/** `ConsumeOptions.batchBytes` where it is left out. */
const defaultBatchBytes = 1 << 20;

/** What `restore` reads in one go. */
const restoreBytes = 1 << 20;

/** `EventLog.consume` on a store with one partition a topic. */
export async function consumeStore(
  store: LogStore,
  format: WireFormat,
  options: ConsumeOptions,
  own: (partition: AssignedPartition) => Promise<void>,
): Promise<void> {
  if (options.signal.aborted) return;
  const state = await register(store, options);
  const partition = new OwnedPartition(store, format, options, state);
  try {
    await own(partition);
  } finally {
    partition.end();
  }
}

/** Writes down where a group that is new to a topic begins, so that retention knows of it before its first commit. */
async function register(store: LogStore, options: ConsumeOptions): Promise<GroupState> {
  const known = store.groupState(options.group);
  const missing: { topic: TopicName; position: number }[] = [];
  for (const topic of [...options.topics, ...options.tables]) {
    if (known.positions.some((position) => position.topic === topic)) continue;
    // Tables are replayed whole, from the empty table on.
    missing.push({ topic, position: options.tables.includes(topic) ? 0 : store.bounds(topic).low });
  }
  if (missing.length === 0) return known;
  await store.write({ records: [], group: { name: options.group, positions: missing } });
  return { positions: [...known.positions, ...missing], intended: known.intended };
}

class OwnedPartition implements AssignedPartition {
  readonly partition = 0;
  readonly signal: AbortSignal;
  readonly tablePositions: TablePositions;
  readonly intended: OffsetRange | undefined;
  readonly #store: LogStore;
  readonly #format: WireFormat;
  readonly #options: ConsumeOptions;
  readonly #merge: Merge;
  readonly #inputPositions: Map<TopicName, number>;
  readonly #batchBytes: number;
  #owned = true;

  constructor(store: LogStore, format: WireFormat, options: ConsumeOptions, state: GroupState) {
    const positionOf = (topic: TopicName): [TopicName, number] => [
      topic,
      state.positions.find((position) => position.topic === topic)?.position ?? 0,
    ];
    this.#store = store;
    this.#format = format;
    this.#options = options;
    this.#batchBytes = options.batchBytes ?? defaultBatchBytes;
    this.signal = options.signal;
    this.intended = state.intended;
    this.#inputPositions = new Map(options.topics.map(positionOf));
    const tables = new Map(options.tables.map(positionOf));
    this.tablePositions = positionsOf(tables);
    this.#merge = new Merge(store, { inputs: this.#inputPositions, tables });
  }

  end(): void {
    this.#owned = false;
  }

  async *restore(topic: TopicName): AsyncIterable<LogRecord> {
    for (let after = -1; ;) {
      const { records } = this.#store.fetchLatest(topic, after, restoreBytes);
      for (const record of records) yield decodeRecord(record, this.#format);
      const last = records.at(-1);
      if (last === undefined) return;
      after = last.offset;
      await nextTurn();
    }
  }

  async *batches(): AsyncIterable<InputBatch> {
    yield* this.#replayedTables();
    if (this.intended !== undefined) yield this.#intendedBatch(this.intended);
    const { signal, drain } = this.#options;
    const wake = drain === undefined ? signal : AbortSignal.any([signal, drain]);
    let until = Infinity;
    for (;;) {
      if (signal.aborted) return;
      if (until === Infinity && drain?.aborted === true) until = this.#store.end();
      const batch = this.#cut(until);
      if (batch !== undefined) {
        yield batch;
        await nextTurn();
      } else if (until < Infinity) {
        return;
      } else {
        await this.#store.changed(this.#options.topics, wake);
      }
    }
  }

  /** Brings the tables to where the predecessor had them. */
  *#replayedTables(): Generator<InputBatch> {
    let records: StoredRecord[] = [];
    let bytes = 0;
    for (const record of this.#merge.replay()) {
      records.push(record);
      bytes += record.value?.length ?? 0;
      if (bytes < this.#batchBytes) continue;
      yield this.#batch(records, new Map(), undefined);
      records = [];
      bytes = 0;
    }
    if (records.length > 0) yield this.#batch(records, new Map(), undefined);
  }

  /** What is there now, up to the size of a batch, below `sequence`. */
  #cut(sequence: number): InputBatch | undefined {
    const records: StoredRecord[] = [];
    const positions = new Map<TopicName, number>();
    let range: OffsetRange | undefined;
    let bytes = 0;
    while (bytes < this.#batchBytes) {
      const step = this.#merge.next(sequence);
      if (step === undefined) break;
      records.push(...step.changes, step.input);
      for (const record of [...step.changes, step.input]) bytes += record.value?.length ?? 0;
      positions.set(step.input.topic, step.input.offset + 1);
      for (const [table, position] of step.tablePositions) positions.set(table, position);
      range = rangeWith(range, step.input);
    }
    return range === undefined ? undefined : this.#batch(records, positions, range);
  }

  /** Exactly the records of `range`, as they were first cut. */
  #intendedBatch(range: OffsetRange): InputBatch {
    const records: StoredRecord[] = [];
    for (;;) {
      const step = this.#merge.next();
      if (step === undefined) break;
      records.push(step.input);
      if (step.input.offset >= range.last) break;
    }
    if (records.at(-1)?.offset !== range.last) {
      throw new EventLogError(
        'EVENT_LOG_FAILED',
        `group ${this.#options.group} intended ${range.topic} offsets ${range.first} to ${range.last}, which the log does not have`,
      );
    }
    return this.#batch(records, new Map([[range.topic, range.last + 1]]), range);
  }

  #batch(
    records: readonly StoredRecord[],
    positions: ReadonlyMap<TopicName, number>,
    range: OffsetRange | undefined,
  ): InputBatch {
    return {
      partition: this.partition,
      records: records.map((record) => decodeRecord(record, this.#format)),
      waiting: this.#merge.waiting(),
      commit: (outputs) => this.#commit(outputs, positions),
      intend: () => this.#intend(range),
    };
  }

  async #commit(outputs: readonly StampedOutput[], positions: ReadonlyMap<TopicName, number>): Promise<void> {
    this.#assertOwned();
    if (outputs.length === 0 && positions.size === 0) return;
    await this.#store.write({
      records: outputs.map(({ record, tablePositions }) => storable(record, tablePositions, this.#format)),
      group: {
        name: this.#options.group,
        positions: [...positions].map(([topic, position]) => ({ topic, position })),
        intended: undefined,
      },
    });
  }

  async #intend(range: OffsetRange | undefined): Promise<OffsetRange> {
    this.#assertOwned();
    if (range === undefined || this.#options.topics.length !== 1) {
      throw new TypeError('only a batch of a group with one input topic has one range');
    }
    if (range !== this.intended) {
      const group = { name: this.#options.group, positions: [], intended: range };
      await this.#store.write({ records: [], group, durable: true });
    }
    return range;
  }

  #assertOwned(): void {
    if (this.#owned && !this.signal.aborted) return;
    throw new EventLogError('FENCED', `group ${this.#options.group} no longer owns partition ${this.partition}`);
  }
}

function rangeWith(range: OffsetRange | undefined, input: StoredRecord): OffsetRange {
  return { topic: input.topic, partition: 0, first: range?.first ?? input.offset, last: input.offset };
}
