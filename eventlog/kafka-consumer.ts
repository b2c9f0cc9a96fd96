import { setTimeout as delay } from 'node:timers/promises';
import { backoffMs } from '../runtime/retry.ts';
import { EventLogError } from './errors.ts';
import type { AssignedPartition, ConsumeOptions } from './event-log.ts';
import { GroupMembership } from './kafka-membership.ts';
import { openPartition, type HeldPartition } from './kafka-ownership.ts';
import type { KafkaServices } from './kafka-services.ts';

/** Waits before a partition that was lost is taken again, milliseconds: two who want it must not take it from each other in turns. */
const retakeWait = { firstDelayMs: 50, maxDelayMs: 5000 };
/** Attempts to take a partition in a row without a commit until the caller is told: some 20 s. */
const maxTakeFailures = 10;

type Own = (partition: AssignedPartition) => Promise<void>;

/** The work on one partition, from its assignment until it is another one's or done. */
interface Work {
  readonly revoke: AbortController;
  /** Never rejects. */
  readonly done: Promise<void>;
  /** Whether it ended by itself, with nothing left to do. */
  isFinished: boolean;
}

/**
 * `EventLog.consume` on Kafka: a member of the group `prefix + options.group`, which owns the partitions that the group
 * gives it for as long as nobody else takes their locks.
 */
export async function consumeKafka(services: KafkaServices, options: ConsumeOptions, own: Own): Promise<void> {
  if (options.signal.aborted) return;
  await assertCoPartitioned(services, options);
  await new GroupConsumption(services, options, own).run();
}

class GroupConsumption {
  readonly #services: KafkaServices;
  readonly #options: ConsumeOptions;
  readonly #own: Own;
  readonly #membership: GroupMembership;
  readonly #works = new Map<number, Work>();
  #assigned: ReadonlySet<number> | undefined;
  #isOver = false;
  #failure: { readonly error: unknown } | undefined;
  #end: () => void = () => undefined;
  readonly #ended: Promise<void>;

  constructor(services: KafkaServices, options: ConsumeOptions, own: Own) {
    this.#services = services;
    this.#options = options;
    this.#own = own;
    this.#ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    this.#membership = new GroupMembership(services.kafka, {
      group: services.prefix + options.group,
      topics: options.topics.map((topic) => services.lookups.nameOf(topic)),
      sessionTimeoutMs: services.tuning.sessionTimeoutMs,
      heartbeatMs: services.tuning.heartbeatMs,
      logger: services.logger,
      owned: () => [...this.#works.keys()],
      assigned: (partitions) => {
        this.#assign(new Set(partitions));
      },
      failed: (error) => {
        this.#fail(error);
      },
    });
  }

  async run(): Promise<void> {
    const { signal, drain } = this.#options;
    signal.addEventListener('abort', this.#end);
    const endWhereDone = (): void => {
      this.#endWhereDone();
    };
    drain?.addEventListener('abort', endWhereDone);
    try {
      await this.#membership.start();
      await this.#ended;
    } finally {
      signal.removeEventListener('abort', this.#end);
      drain?.removeEventListener('abort', endWhereDone);
      // A join that is under way may still give us partitions, which we leave again at once.
      this.#isOver = true;
      this.#assigned = new Set();
      await this.#revokeOthers();
      await this.#membership.stop();
    }
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  #assign(partitions: ReadonlySet<number>): void {
    if (this.#isOver) return;
    this.#assigned = partitions;
    void this.#revokeOthers();
    for (const partition of partitions) this.#begin(partition);
    this.#endWhereDone();
  }

  /** Ends the work on partitions that are not assigned; one that is assigned again meanwhile begins anew when it has ended. */
  async #revokeOthers(): Promise<void> {
    const revoked = [...this.#works].filter(([partition]) => this.#assigned?.has(partition) !== true);
    for (const [, { revoke }] of revoked) revoke.abort();
    await Promise.all(revoked.map(([, { done }]) => done));
  }

  #begin(partition: number): void {
    if (this.#works.has(partition)) return;
    const revoke = new AbortController();
    const signal = AbortSignal.any([this.#options.signal, this.#services.closing, revoke.signal]);
    const work: Work = {
      revoke,
      isFinished: false,
      done: this.#work(partition, signal)
        .catch((error: unknown) => {
          this.#fail(error);
        })
        .then(() => {
          if (revoke.signal.aborted) {
            this.#works.delete(partition);
            if (this.#assigned?.has(partition) === true) this.#begin(partition);
          } else {
            work.isFinished = true;
            this.#endWhereDone();
          }
        }),
    };
    this.#works.set(partition, work);
  }

  /** Owns the partition until the caller's `own` has returned, taking it again where it is lost and still ours to try. */
  async #work(partition: number, signal: AbortSignal): Promise<void> {
    const { logger } = this.#services;
    let failures = 0;
    do {
      let held: HeldPartition | undefined;
      try {
        held = await openPartition(this.#services, this.#options, partition, signal);
        await this.#own(held.partition);
        return;
      } catch (error) {
        const isFenced = error instanceof EventLogError && error.code === 'FENCED';
        if (signal.aborted && isFenced) return;
        const mayPass = isFenced || (held === undefined && error instanceof EventLogError && error.retriable);
        failures = (held?.partition.committed ?? 0) > 0 ? 1 : failures + 1;
        if (!mayPass || failures >= maxTakeFailures) throw error;
        logger?.info({ err: error, group: this.#options.group, partition }, 'a partition was lost and is taken again');
      } finally {
        await held?.release();
      }
      // Whoever took it may be its rightful owner: only the group can tell that it is still ours to try.
      await this.#membership.confirmed(signal);
      await pause(backoffMs(failures, retakeWait), signal);
    } while (!signal.aborted);
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#end();
  }

  /** It is over when all that is assigned is done; without anything assigned, when it was to drain. */
  #endWhereDone(): void {
    if (this.#assigned === undefined) return;
    const isDone = [...this.#assigned].every((partition) => this.#works.get(partition)?.isFinished === true);
    if (isDone && (this.#assigned.size > 0 || this.#options.drain?.aborted === true)) this.#end();
  }
}

async function assertCoPartitioned(
  { lookups }: KafkaServices,
  { group, topics, tables }: ConsumeOptions,
): Promise<void> {
  const counts = await Promise.all(topics.map((topic) => lookups.partitions(topic)));
  if (new Set(counts).size > 1) {
    const inputs = topics.map((topic, place) => `${topic} has ${counts[place] ?? 0}`).join(', ');
    throw new EventLogError('EVENT_LOG_FAILED', `the inputs of ${group} need as many partitions each: ${inputs}`);
  }
  for (const table of tables) {
    const count = await lookups.partitions(table);
    if (count === 1) continue;
    throw new EventLogError('EVENT_LOG_FAILED', `the table ${table} has ${count} partitions, and may have one alone`);
  }
}

async function pause(durationMs: number, signal: AbortSignal): Promise<void> {
  try {
    await delay(durationMs, undefined, { signal });
  } catch {
    // Only an abort rejects: the pause is over.
  }
}
