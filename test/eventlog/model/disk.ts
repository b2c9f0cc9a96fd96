import { EventLogError } from '../../../eventlog/errors.ts';
import type { OutputRecord } from '../../../eventlog/event-log.ts';
import type { Fetched, GroupState, LogStore, StoredRecord, WriteRequest } from '../../../eventlog/log-store.ts';
import { MemoryStore } from '../../../eventlog/memory-store.ts';
import { storable } from '../../../eventlog/storable.ts';
import { createSingleObjectFormat } from '../../../eventlog/wire-format.ts';
import type { TopicName } from '../../../schemas/topics.ts';
import type { Step } from './stepped-time.ts';

/** What outlives a process: the memory log's store, and a note of all that was ever written to it. */
export class Disk {
  readonly format = createSingleObjectFormat();
  /** In the order of the log, what retention has taken since too. */
  readonly history: StoredRecord[] = [];
  /** Keeps nothing that every group has read: no bytes, no age. */
  readonly store = new MemoryStore({ bytes: 0, ageMs: 0, checkEveryMs: 1 });
  /** So many of the next writes find no room. */
  fullFor = 0;

  /** Written now, by whoever it is. */
  apply(request: WriteRequest): void {
    let sequence = this.store.end();
    const next = new Map<TopicName, number>();
    for (const record of request.records) {
      const offset = next.get(record.topic) ?? this.store.bounds(record.topic).next;
      next.set(record.topic, offset + 1);
      this.history.push({ ...record, offset, sequence: sequence++, damage: undefined });
    }
    // The memory store has written when it returns.
    void this.store.write(request);
  }

  append(record: OutputRecord): void {
    this.apply({ records: [storable(record, {}, this.format)] });
  }
}

interface Underway {
  readonly request: WriteRequest;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** A promise for each who waits: one for all would hold every life that has ended. */
const never = (): Promise<never> => new Promise(() => undefined);

/**
 * One process's way to the disk. A write takes effect in one step and is answered in another; effects come in the order of
 * the calls. After `kill` nothing that waits goes on.
 */
export class DiskClient implements LogStore {
  readonly #disk: Disk;
  readonly #step: Step;
  readonly #underway: Underway[] = [];
  #unanswered = 0;
  #whenAnswered: () => void = () => undefined;
  #isDead = false;
  #isClosed = false;

  constructor(disk: Disk, step: Step) {
    this.#disk = disk;
    this.#step = step;
  }

  /** A step of this process: does not come to pass after its death. */
  async step(label: string): Promise<void> {
    await this.#step(label);
    if (this.#isDead) await never();
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  /** The process dies; of its writes underway the first `arrived` still take effect. */
  kill(arrived: number): void {
    this.#isDead = true;
    for (const { request } of this.#underway.splice(0).slice(0, arrived)) this.#disk.apply(request);
  }

  async write(request: WriteRequest): Promise<void> {
    if (this.#isDead) await never();
    if (this.#isClosed) throw new EventLogError('EVENT_LOG_FAILED', 'the event log was closed');
    this.#unanswered += 1;
    const answered = new Promise<void>((resolve, reject) => {
      this.#underway.push({ request, resolve, reject });
    });
    void this.#takeEffect();
    try {
      await answered;
    } finally {
      this.#unanswered -= 1;
      if (this.#unanswered === 0) this.#whenAnswered();
    }
  }

  async #takeEffect(): Promise<void> {
    await this.step('the oldest write takes effect');
    const first = this.#underway.shift();
    if (first === undefined) return;
    const isFull = this.#disk.fullFor > 0;
    if (isFull) this.#disk.fullFor -= 1;
    else this.#disk.apply(first.request);
    await this.step(`${first.request.group?.name ?? 'a source'} is answered`);
    if (isFull) first.reject(new EventLogError('EVENT_LOG_FAILED', 'no space is left', { retriable: true }));
    else first.resolve();
  }

  async changed(topics: readonly TopicName[], signal: AbortSignal): Promise<void> {
    await this.#disk.store.changed(topics, signal);
    await this.step('a reader wakes');
  }

  fetch(topic: TopicName, from: number, maxBytes: number): Fetched {
    return this.#disk.store.fetch(topic, from, maxBytes);
  }

  fetchLatest(topic: TopicName, after: number, maxBytes: number): Fetched {
    return this.#disk.store.fetchLatest(topic, after, maxBytes);
  }

  bounds(topic: TopicName): { readonly low: number; readonly next: number } {
    return this.#disk.store.bounds(topic);
  }

  groupState(group: string): GroupState {
    return this.#disk.store.groupState(group);
  }

  end(): number {
    return this.#disk.store.end();
  }

  /** Waits for what is underway; refuses what comes after. */
  async close(): Promise<void> {
    if (this.#unanswered > 0) {
      await new Promise<void>((resolve) => {
        this.#whenAnswered = resolve;
      });
    }
    this.#isClosed = true;
  }
}
