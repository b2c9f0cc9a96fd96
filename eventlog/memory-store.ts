import { topicNames, topics, type TopicName } from '../schemas/topics.ts';
import { ChangeNotice } from './change-notice.ts';
import type { OffsetRange } from './event-log.ts';
import type { Fetched, GroupState, LogStore, StoredRecord, WriteRequest } from './log-store.ts';
import { versionsKeptMs, type Retention } from './retention.ts';

interface ArrivedRecord extends StoredRecord {
  /** By a clock that nobody sets: how old a record is, is none of the wall clock's business. */
  readonly arrivedMs: number;
}

interface Topic {
  records: ArrivedRecord[];
  next: number;
  low: number;
  bytes: number;
  /** Offset below which a compacted topic holds no replaced version that may go. */
  compacted: number;
}

interface Group {
  readonly positions: Map<TopicName, number>;
  intended: OffsetRange | undefined;
}

/** The store of `MemoryEventLog`. */
export class MemoryStore implements LogStore {
  readonly #topics = new Map<TopicName, Topic>();
  readonly #groups = new Map<string, Group>();
  readonly #changes = new ChangeNotice();
  readonly #retention: Retention;
  readonly #trimming: NodeJS.Timeout;
  #end = 0;

  constructor(retention: Retention) {
    this.#retention = retention;
    this.#trimming = setInterval(() => {
      this.#trim();
    }, retention.checkEveryMs);
    this.#trimming.unref();
  }

  write(request: WriteRequest): Promise<void> {
    for (const record of request.records) {
      const topic = this.#topic(record.topic);
      topic.records.push({
        ...record,
        offset: topic.next++,
        sequence: this.#end++,
        damage: undefined,
        arrivedMs: performance.now(),
      });
      topic.bytes += record.value?.length ?? 0;
    }
    if (request.group !== undefined) {
      const group = this.#group(request.group.name);
      for (const { topic, position } of request.group.positions) group.positions.set(topic, position);
      if ('intended' in request.group) group.intended = request.group.intended;
    }
    this.#changes.notify(new Set(request.records.map((record) => record.topic)));
    return Promise.resolve();
  }

  fetch(topicName: TopicName, from: number, maxBytes: number): Fetched {
    const topic = this.#topic(topicName);
    return this.#cut(topic, topic.records, firstAtOrAbove(topic.records, from), maxBytes);
  }

  fetchLatest(topicName: TopicName, after: number, maxBytes: number): Fetched {
    const topic = this.#topic(topicName);
    const last = new Map<string, StoredRecord>();
    for (const record of topic.records) last.set(record.key, record);
    const current = topic.records.filter(
      (record) => record.offset > after && record.value !== undefined && last.get(record.key) === record,
    );
    return this.#cut(topic, current, 0, maxBytes);
  }

  bounds(topicName: TopicName): { readonly low: number; readonly next: number } {
    const { low, next } = this.#topic(topicName);
    return { low, next };
  }

  groupState(name: string): GroupState {
    const group = this.#groups.get(name);
    const positions = [...(group?.positions ?? [])].map(([topic, position]) => ({ topic, position }));
    return { positions, intended: group?.intended };
  }

  end(): number {
    return this.#end;
  }

  changed(topicNames: readonly TopicName[], signal: AbortSignal): Promise<void> {
    return this.#changes.wait(topicNames, signal);
  }

  close(): Promise<void> {
    clearInterval(this.#trimming);
    this.#changes.wakeAll();
    return Promise.resolve();
  }

  #topic(name: TopicName): Topic {
    let topic = this.#topics.get(name);
    if (topic === undefined) {
      topic = { records: [], next: 0, low: 0, bytes: 0, compacted: 0 };
      this.#topics.set(name, topic);
    }
    return topic;
  }

  #group(name: string): Group {
    let group = this.#groups.get(name);
    if (group === undefined) {
      group = { positions: new Map(), intended: undefined };
      this.#groups.set(name, group);
    }
    return group;
  }

  #cut(topic: Topic, records: readonly StoredRecord[], start: number, maxBytes: number): Fetched {
    let bytes = 0;
    for (let place = start; place < records.length; place++) {
      const record = records[place];
      bytes += record?.value?.length ?? 0;
      if (record === undefined || bytes < maxBytes) continue;
      return { records: records.slice(start, place + 1), knownBelow: record.sequence + 1, next: topic.next };
    }
    return { records: records.slice(start), knownBelow: this.#end, next: topic.next };
  }

  #trim(): void {
    for (const name of topicNames) {
      const topic = this.#topic(name);
      if (topics[name].cleanupPolicy === 'delete') this.#forget(name, topic);
      else this.#compact(name, topic);
    }
  }

  #forget(name: TopicName, topic: Topic): void {
    const read = this.#readByAll(name);
    const oldest = performance.now() - this.#retention.ageMs;
    let gone = 0;
    for (const record of topic.records) {
      const surplus = topic.bytes > this.#retention.bytes;
      if (record.offset >= read || (!surplus && record.arrivedMs >= oldest)) break;
      topic.bytes -= record.value?.length ?? 0;
      topic.low = record.offset + 1;
      gone += 1;
    }
    topic.records.splice(0, gone);
  }

  /** Visits each record once: when it may count as old, the versions it replaced go, and a tombstone itself. */
  #compact(name: TopicName, topic: Topic): void {
    const read = this.#readByAll(name);
    const oldest = performance.now() - versionsKeptMs(name, this.#retention);
    const replacedBelow = new Map<string, number>();
    for (const record of topic.records) {
      if (record.offset < topic.compacted) continue;
      if (record.offset >= read || record.arrivedMs > oldest) break;
      replacedBelow.set(record.key, record.value === undefined ? record.offset + 1 : record.offset);
      topic.compacted = record.offset + 1;
    }
    if (replacedBelow.size === 0) return;
    topic.records = topic.records.filter((record) => record.offset >= (replacedBelow.get(record.key) ?? 0));
    topic.bytes = topic.records.reduce((sum, record) => sum + (record.value?.length ?? 0), 0);
    topic.low = topic.records[0]?.offset ?? topic.next;
  }

  /** Offset below which every group of this topic has read it. */
  #readByAll(name: TopicName): number {
    let lowest = Infinity;
    for (const { positions } of this.#groups.values()) lowest = Math.min(lowest, positions.get(name) ?? Infinity);
    return lowest;
  }
}

function firstAtOrAbove(records: readonly StoredRecord[], offset: number): number {
  let low = 0;
  let high = records.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((records[middle]?.offset ?? Infinity) < offset) low = middle + 1;
    else high = middle;
  }
  return low;
}
