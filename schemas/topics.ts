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
  /** Who may write it, in words. */
  readonly writtenBy: string;
}

/** The public contract: every topic, its key, value and who writes it. docs/topics.md is made from this. */
export const topics: Readonly<Record<TopicName, TopicDefinition>> = {
  'raw-events': topic('raw-events', 'RawEventBatch', 'node id', 'delete', "the node's collector"),
  workloads: topic('workloads', 'ContainerDescriptor', 'node id/container', 'compact', 'the Kubernetes watcher'),
  policies: topic('policies', 'PolicyDocument', 'kind/namespace/name', 'compact', 'one policy source'),
  'policy-status': topic('policy-status', 'PolicyStatus', 'kind/namespace/name', 'compact', 'matcher'),
  'enriched-events': topic('enriched-events', 'EnrichedEventBatch', 'node id', 'delete', 'enricher'),
  alerts: topic('alerts', 'Alert', 'node id', 'delete', 'matcher'),
  coverage: topic('coverage', 'Coverage', 'node id', 'delete', 'enricher; any runner for its own losses'),
  'dead-letters': topic('dead-letters', 'DeadLetter', 'source topic', 'delete', 'any runner'),
  'enricher-state': topic('enricher-state', 'EnricherState', 'node id/slot', 'compact', 'enricher', false),
};

export const topicNames = Object.keys(topics) as readonly TopicName[];

function topic(
  name: TopicName,
  valueType: string,
  key: string,
  cleanupPolicy: CleanupPolicy,
  writtenBy: string,
  keepsVersions = cleanupPolicy === 'compact',
): TopicDefinition {
  return { name, valueType, key, cleanupPolicy, keepsVersions, writtenBy };
}
