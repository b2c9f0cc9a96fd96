import type { Logger } from '../runtime/logger.ts';
import type { TopicName } from '../schemas/topics.ts';
import type { LogRecord, OutputRecord } from './event-log.ts';
import { RecordError } from './errors.ts';

/** The error of a record that cannot be read; `undefined` where its value is there. Decodes it. */
export function unreadable(record: LogRecord): RecordError | undefined {
  return errorOfReading(record, 'value');
}

/** The same, and it is decoded only where the log has no checked bytes of it. */
export function unreadableBytes(record: LogRecord): RecordError | undefined {
  return errorOfReading(record, 'encodedValue' in record ? 'encodedValue' : 'value');
}

function errorOfReading(record: LogRecord, property: 'value' | 'encodedValue'): RecordError | undefined {
  try {
    Reflect.get(record, property);
    return undefined;
  } catch (error) {
    // Anything else is a mistake in our own code.
    if (error instanceof RecordError) return error;
    throw error;
  }
}

/** Events in a record that can be read; `undefined` where it is no batch of them. */
export function eventsIn(record: LogRecord): number | undefined {
  if (record.topic === 'raw-events') return record.value?.events.length;
  if (record.topic === 'enriched-events') return record.value?.raw.events.length;
  return undefined;
}

/** One line for a batch's unreadable records, however many somebody has sent. */
export function reportUnreadable(errors: readonly RecordError[], logger: Logger): void {
  if (errors.length === 0) return;
  logger.error({ err: errors[0], count: errors.length }, 'records could not be read and are in dead-letters');
}

export interface DeadLetterOptions {
  /** Whose runner could not do anything with the record. */
  readonly stage: string;
  readonly reason: string;
  readonly bytes: Uint8Array;
  /** Events of the node that are lost with it; left out where nobody can know. */
  readonly lost?: number | undefined;
}

/** Topics whose records are what happened on a node, with its id as key: losing one makes a hole in what is known of it. */
const happenings: readonly TopicName[] = ['raw-events', 'enriched-events', 'alerts'];

/**
 * What is kept of a record that a stage could not read, that gives more than one record may, or that a sink's destination
 * will never take: the dead letter, and where events of a node are lost with it, a gap in that node's coverage.
 */
export function deadLetters(record: LogRecord, options: DeadLetterOptions): readonly OutputRecord[] {
  const { topic, partition, offset, key } = record;
  const { stage, reason, bytes } = options;
  const letter: OutputRecord = {
    topic: 'dead-letters',
    key: topic,
    value: { topic, partition, offset, key, stage, reason, bytes },
  };
  if (happenings.includes(topic)) return [letter, gap(key, record, options)];
  // Without a part of its state a stage goes on, and knows less of what it is told: of containers, ancestors and repeats.
  if (topic === 'enricher-state')
    return [letter, gap(key.slice(0, Math.max(0, key.lastIndexOf('/'))), record, options)];
  return [letter];
}

/**
 * Boot, session and times of what is lost are in what could not be read: they stay empty. When the log had taken the record is
 * known, and stands as the wall clock's offset to the time 0: what is lost happened no later.
 */
function gap(nodeId: string, record: LogRecord, { stage, reason, lost }: DeadLetterOptions): OutputRecord {
  return {
    topic: 'coverage',
    key: nodeId,
    value: {
      nodeId,
      bootId: '',
      session: 0n,
      origin: 'unknown',
      fromTimeNs: 0n,
      toTimeNs: 0n,
      wallClockOffsetNs: BigInt(record.timestampMs) * 1_000_000n,
      firstBatch: 0,
      lastBatch: 0,
      cpus: [],
      operations: [],
      gaps: [{ reason: 'deadLetter', fromTimeNs: 0n, toTimeNs: 0n, lost: lost ?? null, detail: `${stage}: ${reason}` }],
      sessionEnded: false,
      evictedProcesses: 0,
      evictedContainers: 0,
      helperFailures: [],
    },
  };
}
