import type { Consumer, Kafka, Producer, Transaction } from 'kafkajs';
import type { Step } from '../model/stepped-time.ts';
import type { Epoch, ModelBroker, ModelOffset, Snapshot } from './model-broker.ts';

const never = new Promise<never>(() => undefined);

/** kafkajs's names of what it tells. */
const events = { GROUP_JOIN: 'consumer.group_join', HEARTBEAT: 'consumer.heartbeat', CRASH: 'consumer.crash' };

/** The parts of kafkajs's calls that are looked at. */
interface FetchRequest {
  readonly maxWaitTime: number;
  readonly topics: readonly {
    readonly topic: string;
    readonly partitions: readonly { readonly partition: number; readonly fetchOffset: string }[];
  }[];
}

type Listener = (event: { readonly payload: unknown }) => void;

interface Member {
  readonly topics: string[];
  readonly listeners: Map<string, Listener>;
  isRunning: boolean;
}

/** How many steps what is not a request takes, at least. */
export interface Delays {
  /** Until a producer is connected, and may take its lock: a late init. */
  readonly connectSteps: number;
  /** Until a member hears that the partition is no longer its own. */
  readonly lossSteps: number;
}

/**
 * One process as the broker sees it: a kafkajs client of which every request takes effect in one step and is answered in
 * another. It can be paused, cut off and killed.
 */
export class ModelProcess {
  /** As kafkajs's, as far as `eventlog/kafka*.ts` uses it. */
  readonly kafka: Kafka;
  /** What was at the broker when the last producer was made here, which is before it takes a lock. */
  beforeLock: Snapshot;
  readonly #broker: ModelBroker;
  readonly #step: Step;
  readonly #delays: Delays;
  readonly #members = new Set<Member>();
  /** Transactional ids that were used here. */
  readonly #ids = new Set<string>();
  #isAssigned = false;
  #isDead = false;
  #pause: { readonly over: Promise<void>; readonly end: () => void } | undefined;
  #cuts: boolean[] = [];

  constructor(broker: ModelBroker, step: Step, delays: Delays) {
    this.#delays = delays;
    this.#broker = broker;
    this.#step = step;
    this.beforeLock = broker.snapshot();
    this.kafka = {
      producer: ({ transactionalId }: { readonly transactionalId: string }) => this.#producer(transactionalId),
      consumer: (config: { readonly partitionAssigners: readonly ((from: { cluster: unknown }) => unknown)[] }) =>
        this.#consumer(config.partitionAssigners),
    } as unknown as Kafka;
  }

  /** It takes no further step. What it has open runs out some time. */
  kill(): void {
    this.#isDead = true;
    this.#expireLater();
  }

  /** It takes no step until `resume`: longer than its transactions may take. */
  pause(): void {
    if (this.#pause !== undefined) return;
    let end: () => void = () => undefined;
    const over = new Promise<void>((resolve) => {
      end = resolve;
    });
    this.#pause = { over, end };
    this.#expireLater();
  }

  resume(): void {
    this.#pause?.end();
    this.#pause = undefined;
  }

  /** The next request loses its connection, after it has arrived or before. */
  cut(arrives: boolean): void {
    this.#cuts.push(arrives);
  }

  /** The group's opinion, of which it hears some time. */
  assign(isAssigned: boolean): void {
    this.#isAssigned = isAssigned;
    for (const member of this.#members) void this.#hearAssignment(member);
  }

  /** Every member that can answers the group. */
  heartbeat(): void {
    if (this.#isDead || this.#pause !== undefined) return;
    for (const { isRunning, listeners } of this.#members) {
      if (isRunning) listeners.get(events.HEARTBEAT)?.({ payload: {} });
    }
  }

  #expireLater(): void {
    for (const id of this.#ids) {
      void this.#step('a transaction runs out').then(() => {
        this.#broker.expire(id);
      });
    }
  }

  /** Goes on when the process runs. */
  async #running(): Promise<void> {
    while (this.#pause !== undefined) await this.#pause.over;
    if (this.#isDead) await never;
  }

  async #pass(steps: number, label: string): Promise<void> {
    for (let passed = 0; passed < steps; passed++) await this.#step(label);
  }

  async #request<Answer>(label: string, effect: () => Answer): Promise<Answer> {
    await this.#running();
    await this.#step(label);
    await this.#running();
    const arrives = this.#cuts.shift();
    if (arrives === false) throw new Error('the connection was lost');
    const answer = effect();
    await this.#step(`${label}: the answer`);
    await this.#running();
    if (arrives === true) throw new Error('the connection was lost');
    return answer;
  }

  #producer(transactionalId: string): Producer {
    this.#ids.add(transactionalId);
    this.beforeLock = this.#broker.snapshot();
    let epoch: Epoch | undefined;
    const producer = {
      // Sends no InitProducerId: kafkajs's first transaction does.
      connect: async () => {
        await this.#pass(this.#delays.connectSteps, 'connecting');
        await this.#running();
      },
      disconnect: () => this.#running(),
      transaction: async () => {
        epoch ??= await this.#request('init', () => this.#broker.init(transactionalId));
        return this.#transaction(epoch);
      },
    };
    return producer as unknown as Producer;
  }

  #transaction(by: Epoch): Transaction {
    let isActive = true;
    const end = async (isCommit: boolean): Promise<void> => {
      isActive = false;
      const label = isCommit ? 'commit' : 'abort';
      await this.#request(label, () => {
        this.#broker.endTransaction(by, isCommit);
      });
    };
    const transaction: Pick<Transaction, 'sendBatch' | 'sendOffsets' | 'commit' | 'abort' | 'isActive'> = {
      isActive: () => isActive,
      sendBatch: async ({ topicMessages = [] }) => {
        await this.#request('produce', () => {
          this.#broker.produce(by, topicMessages);
        });
        return [];
      },
      sendOffsets: async ({ topics }) => {
        const offsets = new Map<string, ModelOffset>();
        for (const { topic, partitions } of topics) {
          for (const position of partitions) offsets.set(topic, { metadata: '', ...position });
        }
        await this.#request('offsets', () => {
          this.#broker.sendOffsets(by, offsets);
        });
      },
      commit: () => end(true),
      abort: () => end(false),
    };
    return transaction as Transaction;
  }

  #consumer(assigners: readonly ((from: { cluster: unknown }) => unknown)[]): Consumer {
    for (const assigner of assigners) assigner({ cluster: this.#cluster() });
    const member: Member = { topics: [], listeners: new Map(), isRunning: false };
    const consumer = {
      events,
      on: (name: string, listener: Listener) => member.listeners.set(name, listener),
      connect: () => this.#running(),
      subscribe: ({ topics }: { readonly topics: readonly string[] }) => {
        member.topics.push(...topics);
        return Promise.resolve();
      },
      run: () => {
        member.isRunning = true;
        this.#members.add(member);
        void this.#hearAssignment(member);
        return Promise.resolve();
      },
      pause: () => undefined,
      disconnect: () => {
        member.isRunning = false;
        this.#members.delete(member);
        return this.#running();
      },
    };
    return consumer as unknown as Consumer;
  }

  async #hearAssignment(member: Member): Promise<void> {
    await this.#pass(this.#isAssigned ? 1 : this.#delays.lossSteps, 'a member hears who should try');
    await this.#running();
    if (!member.isRunning) return;
    const partitions = this.#isAssigned ? [0] : [];
    const memberAssignment = Object.fromEntries(member.topics.map((topic) => [topic, partitions]));
    member.listeners.get(events.GROUP_JOIN)?.({ payload: { memberAssignment } });
  }

  /** kafkajs's cluster, as far as `eventlog/kafka*.ts` uses it. */
  #cluster(): unknown {
    const done = (): Promise<void> => this.#running();
    return {
      connect: done,
      disconnect: done,
      refreshMetadata: done,
      refreshMetadataIfNecessary: done,
      addMultipleTargetTopics: done,
      findTopicPartitionMetadata: () => [{}],
      findLeaderForPartitions: () => ({ '0': [0] }),
      findBroker: () => Promise.resolve({ fetch: (request: FetchRequest) => this.#fetch(request) }),
      findGroupCoordinator: () =>
        Promise.resolve({
          offsetFetch: ({ topics }: { readonly topics: readonly { readonly topic: string }[] }) =>
            this.#request('OffsetFetch', () => ({
              responses: topics.map(({ topic }) => ({
                partitions: [this.#broker.committed(topic) ?? { offset: '-1', metadata: '' }],
              })),
            })),
        }),
      fetchTopicsOffset: (wanted: readonly { readonly topic: string; readonly fromBeginning: boolean }[]) =>
        this.#request('ListOffsets', () =>
          wanted.map(({ topic, fromBeginning }) => ({
            partitions: [{ offset: String(fromBeginning ? 0 : this.#broker.end(topic)) }],
          })),
        ),
    };
  }

  async #fetch({ maxWaitTime, topics }: FetchRequest): Promise<unknown> {
    const fetchAll = () =>
      this.#request('fetch', () =>
        topics.map(({ topic, partitions }) => ({
          topicName: topic,
          partitions: partitions.map(({ partition, fetchOffset }) => ({
            partition,
            ...this.#broker.fetch(topic, Number(fetchOffset)),
          })),
        })),
      );
    const responses = await fetchAll();
    const isEmpty = responses.every(({ partitions }) => partitions.every(({ messages }) => messages.length === 0));
    if (!isEmpty || maxWaitTime === 0) return { responses };
    await Promise.race(topics.map(({ topic }) => this.#broker.change(topic)));
    return { responses: await fetchAll() };
  }
}
