import type {
  Alert,
  ContainerDescriptor,
  Coverage,
  DeadLetter,
  EnrichedEventBatch,
  EnricherState,
  PolicyDocument,
  PolicyStatus,
  RawEventBatch,
} from './generated.ts';

/** The value type of each topic. A tombstone is `undefined` in the log's records, not here. */
export interface TopicValues {
  readonly 'raw-events': RawEventBatch;
  /** What Kubernetes says of a container; nothing writes it yet, the enricher reads it as a table. */
  readonly workloads: ContainerDescriptor;
  readonly policies: PolicyDocument;
  readonly 'policy-status': PolicyStatus;
  readonly 'enriched-events': EnrichedEventBatch;
  readonly alerts: Alert;
  readonly coverage: Coverage;
  readonly 'dead-letters': DeadLetter;
  readonly 'enricher-state': EnricherState;
}

export type TopicName = keyof TopicValues;

/** How a topic forgets: by age and bytes, or by keeping the last value of each key. */
export type CleanupPolicy = 'delete' | 'compact';

export interface TopicDefinition {
  readonly name: TopicName;
  /** Name of the Avro record, in the namespace `palisade`. */
  readonly valueType: string;
  /** What a record's key is, in words. */
  readonly key: string;
  readonly cleanupPolicy: CleanupPolicy;
  /**
   * Of a compacted topic, whether a replaced version is kept as long as raw-events keep theirs, so that history can be
   * judged again. Not so for a processor's state, which serves a restart alone.
   */
  readonly keepsVersions: boolean;
  /** Whether a service's topic has partitions, a node's records all in one; else it has one, which readers read whole. */
  readonly isDivided: boolean;
  /** Of a topic that forgets by age, whether it is few records that people look at long after the events. */
  readonly isLasting: boolean;
  /** Who may write it, in words. */
  readonly writtenBy: string;
}

type TopicKind = Pick<TopicDefinition, 'cleanupPolicy' | 'keepsVersions' | 'isDivided' | 'isLasting'>;

const events: TopicKind = { cleanupPolicy: 'delete', keepsVersions: false, isDivided: true, isLasting: false };
const findings: TopicKind = { cleanupPolicy: 'delete', keepsVersions: false, isDivided: true, isLasting: true };
const letters: TopicKind = { cleanupPolicy: 'delete', keepsVersions: false, isDivided: false, isLasting: true };
const table: TopicKind = { cleanupPolicy: 'compact', keepsVersions: true, isDivided: false, isLasting: false };
const state: TopicKind = { cleanupPolicy: 'compact', keepsVersions: false, isDivided: true, isLasting: false };

/** The public contract: every topic, its key, value and who writes it. docs/topics.md is made from this. */
export const topics: Readonly<Record<TopicName, TopicDefinition>> = {
  'raw-events': topic('raw-events', 'RawEventBatch', 'node id', "the node's collector", events),
  workloads: topic('workloads', 'ContainerDescriptor', 'node id/container', 'the Kubernetes watcher', table),
  policies: topic('policies', 'PolicyDocument', 'kind/namespace/name', 'one policy source', table),
  'policy-status': topic('policy-status', 'PolicyStatus', 'kind/namespace/name', 'matcher', table),
  'enriched-events': topic('enriched-events', 'EnrichedEventBatch', 'node id', 'enricher', events),
  alerts: topic('alerts', 'Alert', 'node id', 'matcher', findings),
  coverage: topic('coverage', 'Coverage', 'node id', 'enricher; any runner for its own losses', findings),
  'dead-letters': topic('dead-letters', 'DeadLetter', 'source topic', 'any runner', letters),
  'enricher-state': topic('enricher-state', 'EnricherState', 'node id/slot', 'enricher', state),
};

export const topicNames = Object.keys(topics) as readonly TopicName[];

function topic(name: TopicName, valueType: string, key: string, writtenBy: string, kind: TopicKind): TopicDefinition {
  return { name, valueType, key, writtenBy, ...kind };
}
