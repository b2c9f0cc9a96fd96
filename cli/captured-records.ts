import { unreadable } from '../eventlog/dead-letter.ts';
import type { EventLogReader } from '../eventlog/embedded.ts';
import type { LogRecord } from '../eventlog/event-log.ts';
import type { EnricherState } from '../schemas/generated.ts';
import type { TopicName } from '../schemas/topics.ts';

/** What a capture has, so that everything else follows from it. */
export const capturedTopics = ['policies', 'workloads', 'raw-events'] as const satisfies readonly TopicName[];

export interface LogRecordsOptions {
  /** From the present end on, until `signal`; otherwise all that is there, up to the present end. */
  readonly fromNow: boolean;
  readonly signal: AbortSignal;
}

/**
 * The records of a capture of `log`: first what the enricher knows of containers and processes, where events before the first
 * one have been trimmed or are left out; then raw events, workloads and policies in the order in which they take effect, tables
 * as they are at the first event ahead of it.
 */
export async function* logRecords(log: EventLogReader, options: LogRecordsOptions): AsyncGenerator<LogRecord> {
  if (options.fromNow) yield* recordsFromNow(log, options.signal);
  else yield* recordsFromStart(log, options.signal);
}

async function* recordsFromStart(log: EventLogReader, signal: AbortSignal): AsyncGenerator<LogRecord> {
  let before: LogRecord[] | undefined = [];
  for await (const record of log.read({ topics: capturedTopics, from: 'start', follow: false, signal })) {
    if (before !== undefined && record.topic !== 'raw-events') {
      before.push(record);
      continue;
    }
    if (before !== undefined) {
      // Offset 0 is the log's first record: nothing was known before.
      if (record.topic === 'raw-events' && record.offset > 0) yield* enricherState(log);
      yield* before;
      before = undefined;
    }
    yield record;
  }
  if (before !== undefined) yield* before;
}

async function* recordsFromNow(log: EventLogReader, signal: AbortSignal): AsyncGenerator<LogRecord> {
  // Positions of the events first: what the tables and the state have from after it comes again, and changes nothing then.
  const from = new Map<TopicName, number>([['raw-events', (await log.table('raw-events')).position]]);
  yield* enricherState(log);
  for (const topic of ['policies', 'workloads'] as const) {
    const { records, position } = await log.table(topic);
    from.set(topic, position);
    yield* records;
  }
  yield* log.read({ topics: capturedTopics, from, follow: true, signal });
}

/**
 * Containers and processes as the enricher knows them now, without which numbers of events have come: what is in the capture
 * would count as repeats. What became known after the capture's first event is known too early by this, which shows only in
 * ancestors.
 */
async function* enricherState(log: EventLogReader): AsyncGenerator<LogRecord> {
  const { records } = await log.table('enricher-state');
  for (const record of records) {
    // What nobody can read tells nothing; a stage that comes to it makes a dead letter of it.
    if (record.topic !== 'enricher-state' || unreadable(record) !== undefined || record.value === undefined) continue;
    const value: EnricherState = { ...record.value, sessions: [], cpus: [] };
    const { topic, partition, offset, key, timestampMs, tablePositions } = record;
    yield { topic, partition, offset, key, timestampMs, tablePositions, value };
  }
}
