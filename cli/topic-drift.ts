import type { ClusterTopic } from '../eventlog/kafka-topics.ts';
import type { TopicPlan } from '../schemas/topic-plan.ts';

/** In what a topic of a cluster is not as it is declared. */
export interface Difference {
  /** `topic` where it is not there at all, `partitions`, `replicas`, or the name of a setting. */
  readonly what: string;
  readonly has: string;
  readonly wants: string;
  /** Why `topics apply` leaves it as it is, and what to do; `undefined` where it makes it so. */
  readonly refused: string | undefined;
}

/**
 * Compares a topic with its declaration. What a cluster's owner has set beyond the declaration is theirs. A change is made
 * where nothing that is stored can be lost by it and no writer is shut out.
 */
export function differencesOf(plan: TopicPlan, topic: ClusterTopic | undefined): readonly Difference[] {
  if (topic === undefined) return [{ what: 'topic', has: 'absent', wants: 'present', refused: undefined }];
  const differences: Difference[] = [];
  const compare = (what: string, has: string, wants: string, refused: string | undefined): void => {
    if (has !== wants) differences.push({ what, has, wants, refused });
  };
  compare('partitions', String(topic.partitions), String(plan.partitions), ofPartitions(plan, topic));
  compare('replicas', String(topic.replicas), String(plan.replicas), ofReplicas);
  for (const [setting, wants] of Object.entries(plan.settings)) {
    const has = topic.settings.get(setting) ?? 'unknown';
    if (plan.mayBeMore.includes(setting) && amount(has) > amount(wants)) continue;
    compare(setting, has, wants, refusalOf(setting, { has, wants, topic }));
  }
  return differences;
}

function ofPartitions(plan: TopicPlan, topic: ClusterTopic): string {
  if (topic.partitions > plan.partitions) {
    return `Kafka takes no partition away. ${keepOrMove(topic)}`;
  }
  return (
    'More partitions would put keys into others than before: records of a node would no longer stand in one order, and its ' +
    `state and transactional ids hang on the number. ${keepOrMove(topic)}`
  );
}

function keepOrMove(topic: ClusterTopic): string {
  return `Keep the number with --topic-partitions ${topic.partitions}, or make topics anew under another --kafka-prefix.`;
}

const ofReplicas =
  'Replicas are moved between brokers, which takes time and bandwidth: kafka-reassign-partitions.sh does it. ' +
  'Or keep the number with --topic-replicas.';

function refusalOf(
  setting: string,
  { has, wants, topic }: { readonly has: string; readonly wants: string; readonly topic: ClusterTopic },
): string | undefined {
  const byHand = `kafka-configs.sh does it: --alter --entity-type topics --entity-name ${topic.name} --add-config ${setting}=${wants}`;
  if (setting === 'cleanup.policy') {
    const added = wants.split(',').filter((way) => !has.split(',').includes(way));
    return added.length === 0 ? undefined : `It would begin to ${added.join(' and ')} what is there now. ${byHand}`;
  }
  if (setting === 'min.insync.replicas' && Number(wants) > topic.replicas) {
    return `The topic has ${topic.replicas} replicas: nothing could be written any more. Move replicas first`;
  }
  if (setting === 'retention.ms' && amount(wants) < amount(has)) {
    return `Less would delete records that are there now. Keep them with a longer --retention-age. Else ${byHand}`;
  }
  return undefined;
}

/** -1 is without end, in Kafka's settings. */
function amount(value: string): number {
  const number = Number(value);
  return number < 0 ? Infinity : number;
}
