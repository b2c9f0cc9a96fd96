import { setTimeout as delay } from 'node:timers/promises';
import type { Consumer, Kafka } from 'kafkajs';
import type { Logger } from '../runtime/logger.ts';
import { backoffMs } from '../runtime/retry.ts';
import { createStickyAssigner } from './kafka-assigner.ts';
import { kafkaFailure, isLasting } from './kafka-errors.ts';

/** Waits between attempts to come back into a group, milliseconds. */
const rejoinWait = { firstDelayMs: 100, maxDelayMs: 5000 };
/** Attempts in a row without success until the caller is told: some 15 s. */
const maxFailures = 8;

export interface MembershipOptions {
  readonly group: string;
  /** As the cluster has them; co-partitioned. */
  readonly topics: readonly string[];
  readonly sessionTimeoutMs: number;
  readonly heartbeatMs: number;
  readonly logger: Logger | undefined;
  /** The partitions that are worked on here, asked at every join. */
  readonly owned: () => readonly number[];
  /** Called after every join with the partitions that are this member's from then on. */
  readonly assigned: (partitions: readonly number[]) => void;
  /** Called once, where the group cannot be joined; nothing comes after it. */
  readonly failed: (error: unknown) => void;
}

/**
 * Being a member of a consumer group, and nothing else: the group is a hint about who should try to own which partition.
 * The kafkajs consumer inside has all its partitions paused and reads nothing. So its loop does no work but heartbeats, and
 * no handler of ours can keep it from them: kafkajs has no heartbeat in the background.
 *
 * What ends that loop is met by a new consumer: after an error that it takes for lasting kafkajs stays down, and after
 * others it restarts without end and without telling.
 */
export class GroupMembership {
  readonly #kafka: Kafka;
  readonly #options: MembershipOptions;
  readonly #stopping = new AbortController();
  #consumer: Consumer | undefined;
  #failures = 0;
  #confirmations = new Set<() => void>();
  #restarting: Promise<void> | undefined;

  constructor(kafka: Kafka, options: MembershipOptions) {
    this.#kafka = kafka;
    this.#options = options;
  }

  /** Joins; resolves when it has, or when the attempts go on without the caller. */
  async start(): Promise<void> {
    const { group, topics, sessionTimeoutMs, heartbeatMs, owned, assigned } = this.#options;
    const consumer = this.#kafka.consumer({
      groupId: group,
      partitionAssigners: [({ cluster }) => createStickyAssigner(cluster, owned)],
      sessionTimeout: sessionTimeoutMs,
      rebalanceTimeout: sessionTimeoutMs,
      heartbeatInterval: heartbeatMs,
      // How long the loop sleeps between looks at whether a heartbeat is due.
      maxWaitTimeInMs: Math.min(100, heartbeatMs / 4),
      allowAutoTopicCreation: false,
      // A restart of its own could come after our stop, and would not be seen here.
      retry: { restartOnFailure: () => Promise.resolve(false) },
    });
    this.#consumer = consumer;
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
      // Before it comes to its first fetch.
      consumer.pause(topics.map((topic) => ({ topic })));
      this.#failures = 0;
      this.#confirm();
      assigned(payload.memberAssignment[topics[0] ?? ''] ?? []);
    });
    consumer.on(consumer.events.HEARTBEAT, () => {
      this.#confirm();
    });
    consumer.on(consumer.events.CRASH, ({ payload }) => {
      if (this.#consumer === consumer) this.#restart(payload.error);
    });
    try {
      await consumer.connect();
      await consumer.subscribe({ topics: [...topics], fromBeginning: true });
      await consumer.run({ autoCommit: false, eachBatch: () => Promise.resolve() });
    } catch (error) {
      if (this.#consumer === consumer) this.#restart(error);
    }
  }

  /** Resolves when the group has next confirmed that we are a member of its present generation, or when `signal` aborts. */
  confirmed(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#confirmations.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      if (signal.aborted) done();
      else {
        this.#confirmations.add(done);
        signal.addEventListener('abort', done);
      }
    });
  }

  /** Leaves the group, so that others need not wait for the session's end. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#restarting;
    await this.#discard();
  }

  #confirm(): void {
    for (const done of [...this.#confirmations]) done();
  }

  #restart(error: unknown): void {
    if (this.#stopping.signal.aborted || this.#restarting !== undefined) return;
    this.#restarting = this.#begin(error).finally(() => {
      this.#restarting = undefined;
    });
  }

  async #begin(cause: unknown): Promise<void> {
    const { group, failed, logger } = this.#options;
    await this.#discard();
    this.#failures += 1;
    const error = kafkaFailure(cause, `being a member of the group ${group}`);
    if (isLasting(cause) || this.#failures >= maxFailures) {
      failed(error);
      return;
    }
    logger?.warn({ err: error, group }, 'the consumer group is lost and is joined again');
    try {
      await delay(backoffMs(this.#failures, rejoinWait), undefined, { signal: this.#stopping.signal });
    } catch {
      // Only an abort rejects: we are leaving.
      return;
    }
    // Without waiting: it may crash again, which begins anew.
    setImmediate(() => {
      if (!this.#stopping.signal.aborted) void this.start();
    });
  }

  async #discard(): Promise<void> {
    const consumer = this.#consumer;
    this.#consumer = undefined;
    try {
      await consumer?.disconnect();
    } catch {
      // Its connections are gone already; the group hears of it by the session's end.
    }
  }
}
