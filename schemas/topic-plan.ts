import { topicNames, topics, type TopicName } from './topics.ts';

/** What a cluster's owner decides of the topics; the rest is in `topicPlans`. */
export interface TopicPlanOptions {
  /** Of the topics that are divided by node. */
  readonly partitions: number;
  readonly replicas: number;
  readonly minInsyncReplicas: number;
  /** How long events are kept, and can be judged again, milliseconds. */
  readonly retentionMs: number;
}

/** What a topic should be in Kafka. */
export interface TopicPlan {
  readonly topic: TopicName;
  readonly partitions: number;
  readonly replicas: number;
  /** Topic settings by Kafka's names (https://kafka.apache.org/documentation/#topicconfigs). */
  readonly settings: Readonly<Record<string, string>>;
  /** Settings of which more than that serves as well, -1 being without end. */
  readonly mayBeMore: readonly string[];
}

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

/** Alerts and what tells of losses are few, and people look at them later than at events. */
const minLongRetentionMs = 30 * dayMs;

/**
 * The largest value that a log takes has 16 MiB, as a dead letter 17 MiB (eventlog/storable.ts); its key and headers come on
 * top. Kafka's own default is 1 MiB.
 */
const maxMessageBytes = 18 << 20;

/** The active segment is never compacted, and a new owner of a partition reads it whole: half a second's worth. */
const stateSegmentBytes = 32 << 20;

/** Brokers look for what is too old every five minutes by default (`log.retention.check.interval.ms`). */
const trimDelayMs = hourMs;

/** The declaration of every topic in Kafka: `palisade topics` holds clusters to it. */
export function topicPlans(options: TopicPlanOptions): readonly TopicPlan[] {
  const { retentionMs, replicas, minInsyncReplicas } = options;
  // A segment goes when its youngest record is too old, so a record may live longer by as long as a segment is written.
  const segmentMs = Math.min(dayMs, Math.max(10 * minuteMs, Math.floor(retentionMs / 8)));
  // For as long as an event may be read, so must every version of what it was judged by.
  const versionsMs = retentionMs + segmentMs + trimDelayMs;
  const ofAll = {
    'max.message.bytes': maxMessageBytes,
    'min.insync.replicas': minInsyncReplicas,
    // How long a record lives is not for its writer to say: nodes may lie about the time.
    'message.timestamp.type': 'LogAppendTime',
    // A broker that lags behind would take records back that were acknowledged.
    'unclean.leader.election.enable': false,
  };
  return topicNames.map((topic) => {
    const { cleanupPolicy, keepsVersions, isDivided, isLasting } = topics[topic];
    const ofCleanup =
      cleanupPolicy === 'delete'
        ? {
            'retention.ms': isLasting ? Math.max(retentionMs, minLongRetentionMs) : retentionMs,
            'segment.ms': segmentMs,
          }
        : {
            'delete.retention.ms': versionsMs,
            'min.compaction.lag.ms': keepsVersions ? versionsMs : 0,
            ...(keepsVersions ? {} : ofState),
          };
    const settings = { 'cleanup.policy': cleanupPolicy, ...ofCleanup, ...ofAll };
    // Not the retention of events: every version of the tables is kept for as long as that.
    const mayBeMore = [
      'max.message.bytes',
      'min.insync.replicas',
      ...(isLasting ? ['retention.ms'] : []),
      ...(cleanupPolicy === 'compact' ? ['delete.retention.ms'] : []),
      ...(keepsVersions ? ['min.compaction.lag.ms'] : []),
    ];
    return {
      topic,
      mayBeMore,
      partitions: isDivided ? options.partitions : 1,
      replicas,
      settings: Object.fromEntries(Object.entries(settings).map(([name, value]) => [name, String(value)])),
    };
  });
}

/** Compacted early and often: what a new owner reads is little more than the state itself. */
const ofState = {
  'segment.bytes': stateSegmentBytes,
  'segment.ms': hourMs,
  'min.cleanable.dirty.ratio': 0.1,
};
