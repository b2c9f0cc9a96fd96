import type { TopicName } from '../schemas/topics.ts';
import { decodeRecord } from './decode-record.ts';
import type { LogRecord, ReadOptions } from './event-log.ts';
import type { ReadableStore } from './log-store.ts';
import { Merge } from './merge.ts';
import { nextTurn } from './next-turn.ts';
import type { WireFormat } from './wire-format.ts';

/** After so many records a reader lets others have their turn: some milliseconds of decoding. */
const recordsPerTurn = 64;

/** `EventLog.read` on a store: the topics merged in the order of the log. Where it begins is decided now. */
export function readStore(store: ReadableStore, format: WireFormat, options: ReadOptions): AsyncIterable<LogRecord> {
  const positions = new Map<TopicName, number>();
  for (const topic of options.topics) {
    const { low, next } = store.bounds(topic);
    positions.set(
      topic,
      options.from === 'start' ? low : options.from === 'end' ? next : (options.from.get(topic) ?? low),
    );
  }
  return records(store, format, options, positions, options.follow ? Infinity : store.end());
}

async function* records(
  store: ReadableStore,
  format: WireFormat,
  options: ReadOptions,
  positions: ReadonlyMap<TopicName, number>,
  until: number,
): AsyncIterable<LogRecord> {
  const merge = new Merge(store, { inputs: positions, tables: new Map() });
  let count = 0;
  while (!options.signal.aborted) {
    const step = merge.next(until);
    if (step !== undefined) {
      yield decodeRecord(step.input, format);
      if (++count % recordsPerTurn === 0) await nextTurn();
    } else if (options.follow) await store.changed(options.topics, options.signal);
    else return;
  }
}

/** `EventLog.table` on a store. */
export function tableOfStore(
  store: ReadableStore,
  format: WireFormat,
  topic: TopicName,
): { readonly records: readonly LogRecord[]; readonly position: number } {
  const { records: stored, next } = store.fetchLatest(topic, -1, Infinity);
  return { records: stored.map((record) => decodeRecord(record, format)), position: next };
}
