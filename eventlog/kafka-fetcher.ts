import type { Cluster, Kafka } from 'kafkajs';
import type { TopicName } from '../schemas/topics.ts';
import { EventLogError } from './errors.ts';
import { KafkaCluster } from './kafka-cluster.ts';
import { kafkaErrorType } from './kafka-errors.ts';
import { offsetOf, recordOf, type KafkaRecord, type ReadMessage } from './kafka-record.ts';
import type { WireFormat } from './wire-format.ts';

/** One partition to be read from an offset on. */
export interface FetchWish {
  readonly topic: TopicName;
  readonly partition: number;
  readonly offset: number;
}

/** What one fetch gave of one partition. */
export interface Fetched {
  /** Committed records in order, none of them below the offset that was asked for. */
  readonly records: readonly KafkaRecord[];
  /** Where to go on: behind control records, aborted ones and what compaction has removed. */
  readonly next: number;
  /** Every record below it is committed or aborted; none from it on can be read yet. */
  readonly stableEnd: number;
}

/** The parts of kafkajs's answer to a fetch that are used; its types leave it open. */
interface FetchAnswer {
  readonly responses: readonly {
    readonly topicName: string;
    readonly partitions: readonly {
      readonly partition: number;
      readonly lastStableOffset: string;
      readonly abortedTransactions: readonly { readonly producerId: string; readonly firstOffset: string }[] | null;
      readonly messages: readonly FetchedMessage[];
    }[];
  }[];
}

interface FetchedMessage extends ReadMessage {
  readonly isControlRecord: boolean;
  readonly batchContext: { readonly producerId: string; readonly inTransaction: boolean };
}

/** Kafka's IsolationLevel: records of transactions that are aborted or still open are left out. */
const readCommitted = 1;
/** Enough for the batches of any stretch that compaction has emptied. */
const wholeStretchBytes = 64 << 20;

export interface FetcherOptions {
  /** Ahead of topics' names in the cluster. */
  readonly prefix: string;
  /** Of one partition in one answer; more where one record is larger. */
  readonly bytes: number;
  /** Gets the schemas of what was read before anybody decodes it. */
  readonly format: WireFormat;
  /** Ends attempts. */
  readonly signal: AbortSignal;
}

/**
 * Reads partitions from any offset at read_committed, without a group. Its questions are answered one after another, so who
 * waits for records to come has a fetcher of its own. To be disconnected.
 */
export class KafkaFetcher {
  readonly #cluster: KafkaCluster;
  readonly #options: FetcherOptions;
  /** Broker → the end of the last request to it; never rejects. */
  readonly #turns = new Map<string, Promise<void>>();

  constructor(kafka: Kafka, options: FetcherOptions) {
    this.#cluster = new KafkaCluster(kafka, options.signal);
    this.#options = options;
  }

  /**
   * Reads from every wish, and waits up to `waitMs` milliseconds where nothing is there for any of them. Resolves to one
   * answer a wish, in their order; whatever `format` needs to decode it is there by then. Throws `OffsetOutOfRange`, and
   * `EVENT_LOG_FAILED` or `SCHEMA_REGISTRY_FAILED`, retriable where it may pass.
   */
  async fetch(wishes: readonly FetchWish[], waitMs: number): Promise<readonly Fetched[]> {
    const doing = `reading ${[...new Set(wishes.map(({ topic }) => topic))].join(', ')}`;
    const answers = await this.#cluster.ask(doing, async (cluster) => {
      const fetched = await this.#ask(cluster, wishes, waitMs, this.#options.bytes);
      return Promise.all(wishes.map((wish, place) => this.#pastEmptied(cluster, wish, fetched[place])));
    });
    for (const [place, { topic }] of wishes.entries()) {
      const values = answers[place]?.records.map(({ value }) => value) ?? [];
      await this.#options.format.prepare(topic, values);
    }
    return answers;
  }

  async disconnect(): Promise<void> {
    await this.#cluster.disconnect();
  }

  /**
   * kafkajs does not tell of batches whose records compaction has all removed: what is readable there looks like nothing.
   * Asked for alone and whole, it is nothing indeed, at that offset.
   */
  async #pastEmptied(cluster: Cluster, wish: FetchWish, fetched: Fetched | undefined): Promise<Fetched> {
    const found = fetched ?? { records: [], next: wish.offset, stableEnd: wish.offset };
    if (found.next > wish.offset || found.next >= found.stableEnd) return found;
    const [whole] = await this.#ask(cluster, [wish], 0, wholeStretchBytes);
    if (whole === undefined || whole.next > wish.offset) return whole ?? found;
    return { ...whole, next: wish.offset + 1 };
  }

  async #ask(
    cluster: Cluster,
    wishes: readonly FetchWish[],
    waitMs: number,
    maxBytes: number,
  ): Promise<readonly Fetched[]> {
    const { prefix } = this.#options;
    await cluster.addMultipleTargetTopics([...new Set(wishes.map(({ topic }) => prefix + topic))]);
    await cluster.refreshMetadataIfNecessary();
    const byLeader = new Map<string, FetchWish[]>();
    for (const wish of wishes) {
      const leader = this.#leaderOf(cluster, wish);
      byLeader.set(leader, [...(byLeader.get(leader) ?? []), wish]);
    }
    // A broker that has nothing would hold up what another one has.
    const patienceMs = byLeader.size > 1 ? Math.min(waitMs, 100) : waitMs;
    const found = new Map<FetchWish, Fetched>();
    await Promise.all(
      [...byLeader].map(async ([nodeId, theirs]) => {
        const broker = await cluster.findBroker({ nodeId });
        const fetch = (): Promise<unknown> =>
          broker.fetch({
            isolationLevel: readCommitted,
            maxWaitTime: patienceMs,
            minBytes: 1,
            maxBytes: theirs.length * maxBytes,
            topics: theirs.map(({ topic, partition, offset }) => ({
              topic: prefix + topic,
              partitions: [{ partition, fetchOffset: String(offset), maxBytes }],
            })),
          });
        const answer = (await inRange(theirs, this.#inTurn(nodeId, fetch))) as FetchAnswer;
        for (const wish of theirs) found.set(wish, fetchedOf(wish, prefix, answer));
      }),
    );
    return wishes.map((wish) => found.get(wish) ?? { records: [], next: wish.offset, stableEnd: wish.offset });
  }

  /**
   * One request to a broker at a time. It answers those of one connection one after another anyway, and kafkajs opens the
   * connection once for each request that finds it closed, of which it closes the last one alone.
   */
  async #inTurn<Answer>(nodeId: string, request: () => Promise<Answer>): Promise<Answer> {
    const before = this.#turns.get(nodeId);
    const turn = (async () => {
      await before;
      return request();
    })();
    this.#turns.set(
      nodeId,
      turn.then(
        () => undefined,
        () => undefined,
      ),
    );
    return turn;
  }

  #leaderOf(cluster: Cluster, { topic, partition }: FetchWish): string {
    const name = this.#options.prefix + topic;
    const [leader] = Object.keys(cluster.findLeaderForPartitions(name, [partition]));
    if (leader !== undefined) return leader;
    throw new EventLogError('EVENT_LOG_FAILED', `Kafka has no ${name}/${partition}: create the topics first`);
  }
}

function fetchedOf(wish: FetchWish, prefix: string, answer: FetchAnswer): Fetched {
  const { topic, partition, offset } = wish;
  const mine = answer.responses
    .filter(({ topicName }) => topicName === prefix + topic)
    .flatMap(({ partitions }) => partitions)
    .find((each) => each.partition === partition);
  if (mine === undefined) return { records: [], next: offset, stableEnd: offset };
  const records: KafkaRecord[] = [];
  let next = offset;
  for (const message of committed(mine.messages, mine.abortedTransactions ?? [])) {
    const at = offsetOf(message.offset);
    // An answer begins with the batch that has the offset, and the batch may begin before it.
    if (at < offset) continue;
    next = at + 1;
    if (message.isReadable) records.push(recordOf(topic, partition, message.message));
  }
  return { records, next, stableEnd: offsetOf(mine.lastStableOffset) };
}

/**
 * Every message with whether a reader may see it. Brokers send aborted records as well, with a list of where aborted
 * transactions begin; each ends at its producer's next control record (KIP-98, "Fetch").
 */
function* committed(
  messages: readonly FetchedMessage[],
  abortedTransactions: readonly { readonly producerId: string; readonly firstOffset: string }[],
): Generator<{ readonly offset: string; readonly message: FetchedMessage; readonly isReadable: boolean }> {
  const begins = abortedTransactions
    .map(({ producerId, firstOffset }) => ({ producerId, offset: offsetOf(firstOffset) }))
    .sort((first, second) => first.offset - second.offset);
  const aborting = new Set<string>();
  let place = 0;
  for (const message of messages) {
    const offset = offsetOf(message.offset);
    for (let begin = begins[place]; begin !== undefined && begin.offset <= offset; begin = begins[++place]) {
      aborting.add(begin.producerId);
    }
    const { producerId, inTransaction } = message.batchContext;
    if (message.isControlRecord) aborting.delete(producerId);
    const isAborted = inTransaction && aborting.has(producerId);
    yield { offset: message.offset, message, isReadable: !message.isControlRecord && !isAborted };
  }
}

/** A retriable error where an offset is gone, or not there yet: begun anew, a group goes on with what is left. */
async function inRange(wishes: readonly FetchWish[], answer: Promise<unknown>): Promise<unknown> {
  try {
    return await answer;
  } catch (error) {
    if (kafkaErrorType(error) !== 'OFFSET_OUT_OF_RANGE') throw error;
    const places = wishes.map(({ topic, partition, offset }) => `${topic}/${partition} from offset ${offset}`);
    const message = `reading ${places.join(', ')} failed: Kafka does not have that offset`;
    throw new EventLogError('EVENT_LOG_FAILED', message, { cause: error, retriable: true });
  }
}
