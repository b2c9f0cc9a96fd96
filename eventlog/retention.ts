import { topics, type TopicName } from '../schemas/topics.ts';

/** How much a log keeps. What a group has not read is kept in any case. */
export interface Retention {
  /** Of each topic that forgets by age and size: the older records go once it holds more. */
  readonly bytes: number;
  /**
   * Milliseconds. Records of a topic that forgets by age go when they are older; a version of a key in a compacted topic
   * goes when it was replaced longer ago, so that all that is in the log can be judged again.
   */
  readonly ageMs: number;
  /** How often the log looks, milliseconds. */
  readonly checkEveryMs: number;
}

/** A week or 8 GiB a topic, looked at every second. */
export const defaultRetention: Retention = { bytes: 8 * 2 ** 30, ageMs: 7 * 86_400_000, checkEveryMs: 1000 };

/** How long a replaced version of a key is kept, milliseconds. State serves a restart alone: no history is judged by it. */
export function versionsKeptMs(topic: TopicName, retention: Retention): number {
  return topics[topic].keepsVersions ? retention.ageMs : 0;
}
