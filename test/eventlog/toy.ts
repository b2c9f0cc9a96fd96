import type { EventLog, LogRecord, OutputRecord } from '../../eventlog/event-log.ts';
import type { RunStagesOptions } from '../../eventlog/runner.ts';
import type { PreparedWrite, Processor, ProcessorStage, SinkStage } from '../../eventlog/stage.ts';
import { createLogger } from '../../runtime/logger.ts';
import { Metrics } from '../../runtime/metrics.ts';
import type {
  ContainerDescriptor,
  Coverage,
  DeadLetter,
  PolicyDocument,
  PolicyStatus,
} from '../../schemas/generated.ts';
import type { TopicName } from '../../schemas/topics.ts';

/*
 * Two small processors for tests of the log and the runner. They borrow topics whose values are simple:
 *
 *     coverage (an event of a node) ─▶ tagger ─▶ workloads (a tagged event) ─▶ judge ─▶ dead-letters (a verdict)
 *                 policies (a table) ──┴── state: policy-status ─────────────────┘
 */

export function event(node: string, text: string, number = 0): OutputRecord {
  return { topic: 'coverage', key: node, value: { ...coverage(node, text), lastBatch: number } };
}

/** An event that nobody can decode. */
export function garbage(node: string): OutputRecord {
  return { topic: 'coverage', key: node, encodedValue: new Uint8Array([0xff, 0xff, 0xff]) };
}

/** A change of the table that nobody can decode. */
export function garbagePolicy(name: string): OutputRecord {
  return { topic: 'policies', key: name, encodedValue: new Uint8Array([0xff]) };
}

export function policy(name: string, text: string): OutputRecord {
  return { topic: 'policies', key: name, value: policyDocument(name, text) };
}

export function removedPolicy(name: string): OutputRecord {
  return { topic: 'policies', key: name, value: undefined };
}

function policyDocument(name: string, text: string): PolicyDocument {
  return {
    kind: '',
    namespace: '',
    name,
    text,
    sourceId: '',
    file: '',
    documentIndex: 0,
    firstLine: 1,
    contentHash: '',
  };
}

/** The policies in force, in a few characters. */
class PolicyTable {
  readonly #texts = new Map<string, string>();

  update(record: LogRecord): void {
    if (record.topic !== 'policies') return;
    if (record.value === undefined) this.#texts.delete(record.key);
    else this.#texts.set(record.key, record.value.text);
  }

  digest(): string {
    return [...this.#texts]
      .map(([name, text]) => `${name}=${text}`)
      .sort()
      .join();
  }
}

/**
 * Numbers the events of each node and notes the policies that were in force. Its count is its state: an event that has a
 * number (from 1) which the count has reached is a repeat and left out.
 */
export const tagger: ProcessorStage = {
  name: 'tagger',
  inputs: ['coverage'],
  tables: ['policies'],
  outputs: ['workloads', 'policy-status'],
  state: ['policy-status'],
  createProcessor: () => new Tagger(),
};

class Tagger implements Processor {
  readonly #policies = new PolicyTable();
  readonly #counts = new Map<string, number>();

  restore(record: LogRecord): void {
    if (record.topic === 'policy-status' && record.value !== undefined) {
      this.#counts.set(record.key, Number(record.value.contentHash));
    }
  }

  update(record: LogRecord): void {
    this.#policies.update(record);
  }

  process(record: LogRecord): readonly OutputRecord[] {
    if (record.topic !== 'coverage' || record.value === undefined) return [];
    const node = record.key;
    const before = this.#counts.get(node) ?? 0;
    if (record.value.lastBatch > 0 && record.value.lastBatch <= before) return [];
    const count = before + 1;
    this.#counts.set(node, count);
    const tagged = descriptor(`${count} ${record.value.bootId} [${this.#policies.digest()}]`);
    return [
      { topic: 'workloads', key: node, value: tagged },
      { topic: 'policy-status', key: node, value: policyStatus(String(count)) },
    ];
  }
}

/** Passes on what it was told and the policies that it judged by itself. */
export const judge: ProcessorStage = {
  name: 'judge',
  inputs: ['workloads'],
  tables: ['policies'],
  outputs: ['dead-letters'],
  state: [],
  createProcessor: () => new Judge(),
};

class Judge implements Processor {
  readonly #policies = new PolicyTable();

  restore(): void {
    throw new Error('it has no state');
  }

  update(record: LogRecord): void {
    this.#policies.update(record);
  }

  process(record: LogRecord): readonly OutputRecord[] {
    if (record.topic !== 'workloads' || record.value === undefined) return [];
    const text = `${record.value.containerId} judged by [${this.#policies.digest()}]`;
    return [{ topic: 'dead-letters', key: record.key, value: verdict(text) }];
  }
}

/** What an event, a tagged event or a verdict says; of others an empty string. */
export function textOf(record: LogRecord): string {
  if (record.topic === 'coverage') return record.value?.bootId ?? '';
  if (record.topic === 'workloads') return record.value?.containerId ?? '';
  if (record.topic === 'dead-letters') return record.value?.reason ?? '';
  return '';
}

function verdict(reason: string): DeadLetter {
  return { topic: '', partition: 0, offset: 0, key: '', stage: 'judge', reason, bytes: new Uint8Array() };
}

function coverage(nodeId: string, text: string): Coverage {
  return {
    nodeId,
    bootId: text,
    session: 0n,
    origin: 'live',
    fromTimeNs: 0n,
    toTimeNs: 0n,
    wallClockOffsetNs: 0n,
    firstBatch: 0,
    lastBatch: 0,
    cpus: [],
    operations: [],
    gaps: [],
    sessionEnded: false,
    evictedProcesses: 0,
    evictedContainers: 0,
    helperFailures: [],
  };
}

function policyStatus(contentHash: string): PolicyStatus {
  return { kind: '', namespace: '', name: '', contentHash, state: 'loaded', issues: [], ruleCount: 0, rules: [] };
}

function descriptor(containerId: string): ContainerDescriptor {
  return {
    cgroupId: 0n,
    version: 1,
    kind: 'container',
    containerId,
    idSource: 'layout',
    runtime: '',
    cgroupPath: new Uint8Array(),
    name: null,
    image: null,
    labels: {},
    rootLinks: null,
    host: null,
  };
}

/** On a busy machine draining takes longer than a person would wait, and a test would see half of it. */
const drainMs = 600_000;

/** Options of `runStages` that say nothing, and wait until all is drained. */
export function quietly(metrics: Metrics = new Metrics()): RunStagesOptions {
  return { logger: createLogger({ level: 'silent' }), metrics, drainMs };
}

/** All records of `topics` that are in the log now, in the order of the log. */
export async function recordsOf(
  log: Pick<EventLog, 'read'>,
  topics: readonly TopicName[],
): Promise<readonly LogRecord[]> {
  const records: LogRecord[] = [];
  const signal = new AbortController().signal;
  for await (const record of log.read({ topics, from: 'start', follow: false, signal })) records.push(record);
  return records;
}

/** `textOf` of all records of `topics` that are in the log now. */
export async function textsOf(log: Pick<EventLog, 'read'>, topics: readonly TopicName[]): Promise<readonly string[]> {
  return (await recordsOf(log, topics)).map(textOf);
}

/** `prepare` of a sink that has nothing to prepare. */
export function unprepared(
  write: (records: readonly LogRecord[], ...parameters: Parameters<PreparedWrite>) => Promise<void>,
): SinkStage['prepare'] {
  return (records) => Promise.resolve((range, signal) => write(records, range, signal));
}
