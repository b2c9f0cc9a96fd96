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
import { chunksOf } from './kafka-chunks.ts';
import { latestOf, readStretch } from './kafka-cursor.ts';
import type { KafkaInputs } from './kafka-inputs.ts';
import type { KafkaServices } from './kafka-services.ts';
import { encodeOffsetMetadata } from './kafka-offset-metadata.ts';
import type { KafkaRecord } from './kafka-record.ts';
import type { KafkaTable } from './kafka-table.ts';
import type { CommittedPosition, PartitionLock } from './kafka-transactions.ts';
import { storable } from './storable.ts';

/** `ConsumeOptions.batchBytes` where it is left out. */
const defaultBatchBytes = 1 << 20;

/** What a partition is opened with: everything was looked up after the lock was taken. */
export interface OpenedPartition {
  readonly services: KafkaServices;
  readonly options: ConsumeOptions;
  readonly partition: number;
  /** Aborts when the partition is another one's, or at the end. */
  readonly signal: AbortSignal;
  readonly lock: PartitionLock;
  readonly inputs: KafkaInputs;
  readonly tables: readonly KafkaTable[];
  /** Where the predecessor had the inputs and the tables, and what it intended. */
  readonly positions: ReadonlyMap<TopicName, number>;
  readonly tablePositions: TablePositions;
  readonly intended: { readonly first: number; readonly last: number } | undefined;
}

/** A partition that this process owns by its lock. */
export class KafkaPartition implements AssignedPartition {
  readonly partition: number;
  readonly signal: AbortSignal;
  readonly tablePositions: TablePositions;
  readonly intended: OffsetRange | undefined;
  /** Batches that were committed: whoever had the partition last got somewhere. */
  committed = 0;
  readonly #opened: OpenedPartition;
  readonly #batchBytes: number;
  /** What is committed, by topic: what the next commit starts from. */
  readonly #positions: Map<TopicName, number>;
  #tables: TablePositions;
  #intended: { readonly first: number; readonly last: number } | undefined;
  /** The fetch of inputs after which the tables were last brought to their ends. */
  #tablesOf = 0;
  #owned = true;

  constructor(opened: OpenedPartition) {
    const { options, partition, intended } = opened;
    this.#opened = opened;
    this.partition = partition;
    this.signal = opened.signal;
    this.tablePositions = opened.tablePositions;
    this.#tables = opened.tablePositions;
    this.#positions = new Map(opened.positions);
    this.#intended = intended;
    const [topic] = options.topics;
    this.intended = intended === undefined || topic === undefined ? undefined : { topic, partition, ...intended };
    this.#batchBytes = options.batchBytes ?? defaultBatchBytes;
  }

  /** After this every commit is fenced. */
  end(): void {
    this.#owned = false;
  }

  async *restore(topic: TopicName): AsyncIterable<LogRecord> {
    const { services, partition } = this.#opened;
    const { lookups, fetcher, format } = services;
    const count = await lookups.partitions(topic);
    // What is not divided (`policy-status`) the owners of all partitions write together, and each gets the whole of it back.
    const place = count === 1 ? 0 : partition;
    if (place >= count) {
      const message = `${topic} has ${count} partitions, and its processor's inputs more: they need as many`;
      throw new EventLogError('EVENT_LOG_FAILED', message);
    }
    // The end as of now, after the lock was taken: all that the predecessor committed is below it.
    const until = await lookups.end(topic, place);
    const from = { topic, partition: place, offset: await lookups.low(topic, place) };
    for (const record of await latestOf(readStretch(fetcher, from, until, this.signal))) {
      yield decodeRecord(record, format, place);
    }
  }

  async *batches(): AsyncIterable<InputBatch> {
    const { inputs, options } = this.#opened;
    inputs.readAhead();
    yield* this.#replayedTables();
    if (this.intended !== undefined) {
      const batch = await this.#intendedBatch(this.intended);
      if (batch === undefined) return;
      yield batch;
    }
    const wake = options.drain === undefined ? this.signal : AbortSignal.any([this.signal, options.drain]);
    let until: ReadonlyMap<TopicName, number> | undefined;
    for (;;) {
      if (this.signal.aborted) return;
      if (until === undefined && options.drain?.aborted === true) until = await this.#ends();
      const batch = await this.#cut(until);
      if (batch !== undefined) {
        inputs.readAhead();
        yield batch;
      } else if (until === undefined) {
        await inputs.more(wake);
      } else if (inputs.isBehind(until)) {
        // The end may be a transaction's that is still open.
        await inputs.more(this.signal);
      } else return;
    }
  }

  /** Brings the tables to where the predecessor had them. */
  async *#replayedTables(): AsyncGenerator<InputBatch> {
    const records: KafkaRecord[] = [];
    let bytes = 0;
    for (const table of this.#opened.tables) {
      for await (const changes of table.to(this.tablePositions[table.topic] ?? 0, this.signal)) {
        for (const change of changes) {
          records.push(change);
          bytes += change.value?.length ?? 0;
          if (bytes < this.#batchBytes) continue;
          yield this.#batch(records.splice(0), new Map(), undefined);
          bytes = 0;
        }
      }
    }
    if (records.length > 0) yield this.#batch(records, new Map(), undefined);
  }

  /** The inputs' ends as of now. Records of transactions that are not over yet count: their owner may have committed them. */
  async #ends(): Promise<ReadonlyMap<TopicName, number>> {
    const { options, partition, services } = this.#opened;
    const ends = new Map<TopicName, number>();
    for (const topic of options.topics) ends.set(topic, await services.lookups.end(topic, partition));
    return ends;
  }

  /** What is there now, up to the size of a batch. */
  async #cut(until: ReadonlyMap<TopicName, number> | undefined): Promise<InputBatch | undefined> {
    const { inputs } = this.#opened;
    const records: KafkaRecord[] = [];
    const positions = new Map<TopicName, number>();
    let range: OffsetRange | undefined;
    let bytes = 0;
    while (bytes < this.#batchBytes && !this.signal.aborted) {
      const input = inputs.next(until);
      if (input === undefined) {
        if (!inputs.hasMore(until)) break;
        await inputs.more(this.signal);
        continue;
      }
      const { record } = input;
      for (const change of await this.#changesBefore(record, input.fetch)) {
        records.push(change);
        bytes += change.value?.length ?? 0;
      }
      records.push(record);
      bytes += record.value?.length ?? 0;
      positions.set(record.topic, record.offset + 1);
      const { topic, partition, offset } = record;
      range = { topic, partition, first: range?.first ?? offset, last: offset };
    }
    for (const table of this.#opened.tables) positions.set(table.topic, table.position);
    return range === undefined ? undefined : this.#batch(records, positions, range);
  }

  /**
   * The changes of the tables that come before an input. One that carries positions is preceded by exactly those below them.
   * Others by all that is there once they have been fetched, so that a change is in force for whatever was appended after it;
   * the positions that are then stamped on what follows from the input are the recorded place.
   */
  async #changesBefore(input: KafkaRecord, fetch: number): Promise<readonly KafkaRecord[]> {
    // Of a damaged input not even its positions can be relied on; nobody judges it, so it needs no tables.
    if (input.damage !== undefined) return [];
    const changes: KafkaRecord[] = [];
    for (const table of this.#opened.tables) {
      const target = input.tablePositions[table.topic];
      if (target === undefined) {
        if (fetch > this.#tablesOf) changes.push(...(await table.toEnd()));
      } else {
        assertForward(input, table, target);
        for await (const some of table.to(target, this.signal)) changes.push(...some);
      }
    }
    this.#tablesOf = fetch;
    return changes;
  }

  /** Exactly the records of `range`, as they were first cut; nothing where the partition is given up meanwhile. */
  async #intendedBatch(range: OffsetRange): Promise<InputBatch | undefined> {
    const { inputs, options } = this.#opened;
    const until = new Map([[range.topic, range.last + 1]]);
    const records: KafkaRecord[] = [];
    while (records.at(-1)?.offset !== range.last) {
      if (this.signal.aborted) return undefined;
      const record = inputs.next(until)?.record;
      if (record !== undefined) records.push(record);
      else if (inputs.isBehind(until)) await inputs.more(this.signal);
      else break;
    }
    if (records[0]?.offset !== range.first || records.at(-1)?.offset !== range.last) {
      throw new EventLogError(
        'EVENT_LOG_FAILED',
        `group ${options.group} intended ${range.topic} offsets ${range.first} to ${range.last}, which the log does not have`,
      );
    }
    return this.#batch(records, new Map([[range.topic, range.last + 1]]), range);
  }

  #batch(
    records: readonly KafkaRecord[],
    positions: ReadonlyMap<TopicName, number>,
    range: OffsetRange | undefined,
  ): InputBatch {
    const { services, inputs, partition } = this.#opened;
    return {
      partition,
      records: records.map((record) => decodeRecord(record, services.format, record.partition)),
      waiting: inputs.waiting(),
      commit: (outputs) => this.#commit(outputs, positions),
      intend: () => this.#intend(range),
    };
  }

  async #commit(outputs: readonly StampedOutput[], positions: ReadonlyMap<TopicName, number>): Promise<void> {
    this.#assertOwned();
    if (outputs.length === 0 && positions.size === 0) return;
    const { services, options, lock } = this.#opened;
    const records = outputs.map(({ record, tablePositions }) => storable(record, tablePositions, services.format));
    const chunks = await chunksOf(records, services.maker, services.lookups, services.tuning.chunkBytes);
    const inputs = new Map(this.#positions);
    const tables = { ...this.#tables };
    for (const [topic, position] of positions) {
      if (options.topics.includes(topic)) inputs.set(topic, position);
      else tables[topic] = position;
    }
    // A batch of tables alone is ahead of the intended range.
    const intended = positions.size === 0 ? this.#intended : undefined;
    await lock.commit(chunks, this.#committedPositions(inputs, tables, intended));
    for (const [topic, position] of inputs) this.#positions.set(topic, position);
    this.#tables = tables;
    this.#intended = intended;
    this.committed += 1;
  }

  async #intend(range: OffsetRange | undefined): Promise<OffsetRange> {
    this.#assertOwned();
    if (range === undefined || this.#opened.options.topics.length !== 1) {
      throw new TypeError('only a batch of a group with one input topic has one range');
    }
    if (range !== this.intended) {
      const intended = { first: range.first, last: range.last };
      await this.#opened.lock.commit([], this.#committedPositions(this.#positions, this.#tables, intended));
      this.#intended = intended;
    }
    return range;
  }

  /** The position in every input; what belongs to the partition as a whole is beside that in the first one. */
  #committedPositions(
    inputs: ReadonlyMap<TopicName, number>,
    tables: TablePositions,
    intended: { readonly first: number; readonly last: number } | undefined,
  ): readonly CommittedPosition[] {
    const { services, options, partition } = this.#opened;
    return options.topics.map((topic, place) => ({
      topic: services.lookups.nameOf(topic),
      partition,
      offset: inputs.get(topic) ?? 0,
      metadata: place === 0 ? encodeOffsetMetadata({ tables, intended }) : '',
    }));
  }

  #assertOwned(): void {
    if (this.#owned && !this.signal.aborted) return;
    const { options, partition } = this.#opened;
    throw new EventLogError('FENCED', `group ${options.group} no longer owns partition ${partition}`);
  }
}

function assertForward(input: KafkaRecord, table: KafkaTable, target: number): void {
  if (target >= table.position) return;
  throw new EventLogError(
    'EVENT_LOG_FAILED',
    `${input.topic} offset ${input.offset} was judged with ${table.topic} at ${target}, but an earlier input brought it to ` +
      `${table.position} already: a group that reads stamped records may not read others beside them`,
  );
}
