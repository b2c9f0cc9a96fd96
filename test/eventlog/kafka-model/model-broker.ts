import type { IHeaders, Message, TopicMessages } from 'kafkajs';
import { offsetOf } from '../../../eventlog/kafka-record.ts';

/** A message as a fetch gives it, whether its transaction was committed, aborted, or is still open. */
export interface ModelMessage {
  readonly offset: string;
  readonly timestamp: string;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: IHeaders;
  readonly isControlRecord: boolean;
  readonly batchContext: { readonly producerId: string; readonly inTransaction: boolean };
}

/** A group's position in a partition. */
export interface ModelOffset {
  readonly offset: string;
  readonly metadata: string;
}

/** Topics' ends, and the group's position in them, as of one moment. */
export interface Snapshot {
  readonly ends: ReadonlyMap<string, number>;
  readonly offsets: ReadonlyMap<string, ModelOffset>;
}

/** What the broker refuses, by Kafka's name for it. */
export class BrokerError extends Error {
  readonly type: string;

  constructor(type: string) {
    super(type);
    this.name = new.target.name;
    this.type = type;
  }
}

/** A producer of a transactional id: the id's newest epoch alone may write. */
export interface Epoch {
  readonly transactionalId: string;
  readonly epoch: number;
}

interface Transaction {
  /** Topics written to, with where. */
  readonly firstOffsets: Map<string, number>;
  readonly offsets: Map<string, ModelOffset>;
  /** Decided, and not told everywhere: what is left to be written, a topic's marker or the offsets. */
  unwritten: (() => void)[];
}

interface Aborted {
  readonly producerId: string;
  readonly firstOffset: string;
  readonly marker: number;
}

/** The one partition of a topic. */
class Partition {
  messages: ModelMessage[] = [];
  end = 0;
  readonly open = new Map<string, number>();
  readonly aborted: Aborted[] = [];
  /** A new leader that does not know yet how far the one before was read shows so much less (KIP-207). */
  hidden = 0;
  #watching: (() => void)[] = [];

  stableEnd(): number {
    return Math.min(this.end - this.hidden, ...this.open.values());
  }

  append(message: Omit<ModelMessage, 'offset'>): number {
    this.messages.push({ ...message, offset: String(this.end) });
    this.changed();
    return this.end++;
  }

  change(): Promise<void> {
    return new Promise((resolve) => {
      this.#watching.push(resolve);
    });
  }

  changed(): void {
    for (const wake of this.#watching.splice(0)) wake();
  }
}

/**
 * What of Kafka the protocol stands on: partitions with transactions' markers and last stable offsets, transactional ids with
 * epochs (KIP-98), and groups' offsets. Every method takes effect at once; who is asked when is its clients' affair. Topics have
 * one partition, and one group. A commit is decided first and written after that, to each topic and to the group's offsets in a step of its own,
 * as brokers do: until then OffsetFetch gives the offsets from before. The id's next init or transaction waits for that.
 */
export class ModelBroker {
  readonly #partitions = new Map<string, Partition>();
  readonly #epochs = new Map<string, number>();
  readonly #transactions = new Map<string, Transaction>();
  readonly #offsets = new Map<string, ModelOffset>();
  readonly #later: (label: string, action: () => void) => void;

  /** `later`: has something done in a step of its own. */
  constructor(later: (label: string, action: () => void) => void) {
    this.#later = later;
  }

  /** Appends outside of transactions. */
  append(topic: string, { key, value, headers }: Message): void {
    const batchContext = { producerId: '-1', inTransaction: false };
    this.#partition(topic).append({ ...contentOf(key, value, headers), isControlRecord: false, batchContext });
  }

  /** InitProducerId: ends what the id has open and locks out whoever had it. */
  init(transactionalId: string): Epoch {
    this.#finish(transactionalId);
    this.#decide(transactionalId, false);
    this.#finish(transactionalId);
    const epoch = (this.#epochs.get(transactionalId) ?? -1) + 1;
    this.#epochs.set(transactionalId, epoch);
    return { transactionalId, epoch };
  }

  /** Throws INVALID_PRODUCER_EPOCH, as the next two. */
  produce(by: Epoch, topics: readonly TopicMessages[]): void {
    const transaction = this.#begun(by);
    for (const { topic, messages } of topics) {
      const partition = this.#partition(topic);
      if (!transaction.firstOffsets.has(topic)) {
        transaction.firstOffsets.set(topic, partition.end);
        partition.open.set(by.transactionalId, partition.end);
      }
      const batchContext = { producerId: by.transactionalId, inTransaction: true };
      for (const { key, value, headers } of messages) {
        partition.append({ ...contentOf(key, value, headers), isControlRecord: false, batchContext });
      }
    }
  }

  /** TxnOffsetCommit without a generation, as kafkajs sends it: only the epoch is looked at. */
  sendOffsets(by: Epoch, offsets: ReadonlyMap<string, ModelOffset>): void {
    const transaction = this.#begun(by);
    for (const [topic, offset] of offsets) transaction.offsets.set(topic, offset);
  }

  endTransaction(by: Epoch, isCommit: boolean): void {
    this.#assertCurrent(by);
    this.#decide(by.transactionalId, isCommit);
  }

  /** The transaction timeout: what the id has open is aborted, and its producer locked out. */
  expire(transactionalId: string): void {
    const transaction = this.#transactions.get(transactionalId);
    if (transaction?.unwritten.length === 0) this.init(transactionalId);
  }

  committed(topic: string): ModelOffset | undefined {
    return this.#offsets.get(topic);
  }

  /** The high watermark: records of open transactions count. */
  end(topic: string): number {
    return this.#partition(topic).end;
  }

  snapshot(): Snapshot {
    const ends = new Map([...this.#partitions].map(([topic, { end }]) => [topic, end]));
    return { ends, offsets: new Map(this.#offsets) };
  }

  /** A fetch at read_committed: what is aborted comes with it, and the list that tells. */
  fetch(topic: string, from: number) {
    const partition = this.#partition(topic);
    const until = partition.stableEnd();
    const messages = partition.messages.filter(({ offset }) => offsetOf(offset) >= from && offsetOf(offset) < until);
    const abortedTransactions = partition.aborted.filter(({ marker }) => marker >= from);
    return { messages, abortedTransactions, lastStableOffset: String(until) };
  }

  /** Resolves when there may be more than before. */
  change(topic: string): Promise<void> {
    return this.#partition(topic).change();
  }

  /** Answers everyone who waits for more. */
  answerWaiting(): void {
    for (const partition of this.#partitions.values()) partition.changed();
  }

  /** Takes what a later record of the key replaces, below what is stable. */
  compact(topic: string): void {
    const partition = this.#partition(topic);
    const stable = partition.stableEnd();
    const committed = new Set(this.readable(topic).map(({ offset }) => offset));
    const latest = new Map<string, string>();
    for (const { key, offset } of partition.messages) {
      if (committed.has(offset) && offsetOf(offset) < stable) latest.set(String(key), offset);
    }
    partition.messages = partition.messages.filter(
      ({ key, offset, isControlRecord }) =>
        isControlRecord || !committed.has(offset) || latest.get(String(key)) === offset,
    );
  }

  /** The topic's leader changes: it shows `count` records fewer until it has heard how far the one before was read, `steps` long. */
  elect(topic: string, count: number, steps: number): void {
    const partition = this.#partition(topic);
    partition.hidden = Math.min(partition.end, count);
    const catchUp = (left: number): void => {
      this.#later('the new leader catches up', () => {
        if (left > 1) {
          catchUp(left - 1);
          return;
        }
        partition.hidden = 0;
        partition.changed();
      });
    };
    catchUp(steps);
  }

  /** What a reader at read_committed is given, from the first to the last. */
  readable(topic: string): readonly ModelMessage[] {
    const { messages, abortedTransactions } = this.fetch(topic, 0);
    return messages.filter(
      ({ offset, isControlRecord, batchContext }) =>
        !isControlRecord &&
        !abortedTransactions.some(
          ({ producerId, firstOffset, marker }) =>
            producerId === batchContext.producerId &&
            offsetOf(firstOffset) <= offsetOf(offset) &&
            offsetOf(offset) < marker,
        ),
    );
  }

  #begun(by: Epoch): Transaction {
    this.#assertCurrent(by);
    // Where markers are still being written a broker answers CONCURRENT_TRANSACTIONS until they are.
    this.#finish(by.transactionalId);
    let transaction = this.#transactions.get(by.transactionalId);
    if (transaction === undefined) {
      transaction = { firstOffsets: new Map(), offsets: new Map(), unwritten: [] };
      this.#transactions.set(by.transactionalId, transaction);
    }
    return transaction;
  }

  #assertCurrent({ transactionalId, epoch }: Epoch): void {
    if (this.#epochs.get(transactionalId) !== epoch) throw new BrokerError('INVALID_PRODUCER_EPOCH');
  }

  #decide(transactionalId: string, isCommit: boolean): void {
    const transaction = this.#transactions.get(transactionalId);
    if (transaction === undefined || transaction.unwritten.length > 0) return;
    const offsets = (): void => {
      if (isCommit) for (const [topic, offset] of transaction.offsets) this.#offsets.set(topic, offset);
    };
    const markers = [...transaction.firstOffsets].map(([topic, firstOffset]) => () => {
      const partition = this.#partition(topic);
      partition.open.delete(transactionalId);
      const batchContext = { producerId: transactionalId, inTransaction: true };
      const marker = partition.append({ ...contentOf(null, null, undefined), isControlRecord: true, batchContext });
      if (!isCommit) {
        partition.aborted.push({ producerId: transactionalId, firstOffset: String(firstOffset), marker });
      }
    });
    transaction.unwritten = [...markers, offsets];
    const writeNext = (): void => {
      this.#later('a transaction’s end is written to a partition', () => {
        transaction.unwritten.shift()?.();
        if (transaction.unwritten.length > 0) writeNext();
        else if (this.#transactions.get(transactionalId) === transaction) this.#transactions.delete(transactionalId);
      });
    };
    writeNext();
  }

  /** Whoever waits for the end of a decided transaction finds it written. */
  #finish(transactionalId: string): void {
    const transaction = this.#transactions.get(transactionalId);
    if (transaction === undefined || transaction.unwritten.length === 0) return;
    for (const write of transaction.unwritten.splice(0)) write();
    this.#transactions.delete(transactionalId);
  }

  #partition(topic: string): Partition {
    let partition = this.#partitions.get(topic);
    if (partition === undefined) {
      partition = new Partition();
      this.#partitions.set(topic, partition);
    }
    return partition;
  }
}

function contentOf(key: Message['key'], value: Message['value'], headers: Message['headers']) {
  return { key: bytesOf(key), value: bytesOf(value), headers: headers ?? {}, timestamp: '0' };
}

function bytesOf(content: Message['key']): Buffer | null {
  return content === null || content === undefined ? null : Buffer.from(content);
}
