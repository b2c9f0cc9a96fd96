import type { MessagePort } from 'node:worker_threads';
import type { TopicName } from '../schemas/topics.ts';
import { EventLogError, type EventLogErrorCode } from './errors.ts';
import type { OffsetRange } from './event-log.ts';
import type { GroupPosition, UnstoredRecord, WriteRequest } from './log-store.ts';

/*
 * What crosses between the threads that write to an embedded log and its writer. All values of a request lie in one
 * buffer, which is transferred: a structured clone of a small view would copy the pool behind it.
 */

/** One record of a request; its value is the next `length` bytes of the request's values. */
export interface PackedRecord {
  readonly topic: TopicName;
  readonly timestampMs: number;
  readonly key: string;
  /** JSON; `null` where there are none. */
  readonly tablePositions: string | null;
  /** -1 for a tombstone. */
  readonly length: number;
}

export interface PackedRequest {
  readonly id: number;
  readonly records: readonly PackedRecord[];
  readonly values: Uint8Array<ArrayBuffer>;
  readonly group: PackedGroup | null;
  readonly durable: boolean;
}

export interface PackedGroup {
  readonly name: string;
  readonly positions: readonly GroupPosition[];
  /** `null` clears it, `'same'` leaves it. */
  readonly intended: OffsetRange | null | 'same';
}

/** What became of requests: all that are not among the failed ones are written. */
export interface WriteOutcome {
  readonly ids: readonly number[];
  readonly failed: readonly { readonly id: number; readonly failure: WriterFailure }[];
  /** The log can't go on: nothing comes after this, and all that waits or comes gets this error. */
  readonly ended?: WriterFailure;
}

/** An `EventLogError` as it crosses between threads, where errors lose their class. */
export interface WriterFailure {
  readonly code: EventLogErrorCode;
  readonly message: string;
  readonly retriable: boolean;
  readonly path: string | undefined;
  readonly freeBytes: number | undefined;
}

export function packFailure({ code, message, retriable, path, freeBytes }: EventLogError): WriterFailure {
  return { code, message, retriable, path, freeBytes };
}

export function unpackFailure({ code, message, ...options }: WriterFailure): EventLogError {
  return new EventLogError(code, message, options);
}

export function packRequest(id: number, request: WriteRequest): PackedRequest {
  let bytes = 0;
  for (const { value } of request.records) bytes += value?.length ?? 0;
  const values = new Uint8Array(bytes);
  let position = 0;
  const records: PackedRecord[] = [];
  for (const record of request.records) {
    records.push(packRecord(record));
    if (record.value === undefined) continue;
    values.set(record.value, position);
    position += record.value.length;
  }
  const group = request.group;
  return {
    id,
    records,
    values,
    group:
      group === undefined
        ? null
        : {
            name: group.name,
            positions: group.positions,
            intended: 'intended' in group ? (group.intended ?? null) : 'same',
          },
    durable: request.durable ?? false,
  };
}

function packRecord(record: UnstoredRecord): PackedRecord {
  const { topic, timestampMs, key, tablePositions } = record;
  const positions = JSON.stringify(tablePositions);
  return {
    topic,
    timestampMs,
    key,
    tablePositions: positions === '{}' ? null : positions,
    length: record.value?.length ?? -1,
  };
}

/** To the writer's thread, beside the ports that requests come through. */
export type WriterCommand = { readonly kind: 'serve'; readonly port: MessagePort } | { readonly kind: 'close' };

/** From the writer's thread to the owner. */
export type WriterNotice =
  | { readonly kind: 'ready' }
  /** Instead of `ready`, or later: it ends with this. */
  | { readonly kind: 'failed'; readonly failure: WriterFailure }
  | { readonly kind: 'changed'; readonly topics: readonly TopicName[] };
