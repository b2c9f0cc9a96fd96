import { topicNames, type TopicName } from '../schemas/topics.ts';
import { EventLogError } from './errors.ts';
import type { TablePositions } from './event-log.ts';

/*
 * What a group commits beside its offset, as the offset's metadata: JSON, at most 4096 bytes by default
 * (`offset.metadata.max.bytes`), a tenth of it here at most.
 */

/** Beside the position of a group in its first input. */
export interface CommittedState {
  /** Where the tables were. */
  readonly tables: TablePositions;
  /** Offsets of the first input that a sink is about to write outside, both included. */
  readonly intended: { readonly first: number; readonly last: number } | undefined;
}

export function encodeOffsetMetadata(state: CommittedState): string {
  return JSON.stringify({
    tables: state.tables,
    ...(state.intended === undefined ? {} : { intended: [state.intended.first, state.intended.last] }),
  });
}

/**
 * What an earlier commit wrote; an empty text is what no commit of ours wrote: another tool has set the offset. Throws
 * `EVENT_LOG_FAILED` where it is anything else.
 */
export function decodeOffsetMetadata(text: string, group: string): CommittedState {
  if (text === '') return { tables: {}, intended: undefined };
  try {
    return parse(JSON.parse(text));
  } catch (cause) {
    const message = `the offsets of group ${group} carry metadata that no version of Palisade wrote: ${text}; delete the group, or reset its offsets without metadata`;
    throw new EventLogError('EVENT_LOG_FAILED', message, { cause });
  }
}

function parse(state: unknown): CommittedState {
  if (typeof state !== 'object' || state === null || !('tables' in state)) throw new TypeError('there is no `tables`');
  if (typeof state.tables !== 'object' || state.tables === null) throw new TypeError('`tables` is no object');
  const tables: Partial<Record<TopicName, number>> = {};
  for (const [name, position] of Object.entries(state.tables)) {
    const table = topicNames.find((each) => each === name);
    // A table of another version is none of ours.
    if (table !== undefined) tables[table] = asPosition(position);
  }
  if (!('intended' in state)) return { tables, intended: undefined };
  if (!Array.isArray(state.intended)) throw new TypeError('`intended` is no list');
  const [first, last] = state.intended.map(asPosition);
  if (first === undefined || last === undefined) throw new TypeError('`intended` is no range');
  return { tables, intended: { first, last } };
}

function asPosition(value: unknown): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw new TypeError(`${String(value)} is no position`);
}
