import kafkajs, { type Assigner, type Cluster, type GroupMember } from 'kafkajs';

/** The name by which members of a group agree on how partitions are divided. */
const assignerName = 'palisade-sticky';
const version = 0;

/** A member of a group, and the partitions that it works on. */
export interface StickyMember {
  readonly id: string;
  readonly owned: readonly number[];
}

/**
 * An assigner for co-partitioned topics: partition n of each goes to the same member, every member gets as many as the
 * others or one more, and keeps those that it has where that allows it, so that a deployment restores no more states than
 * it has to. kafkajs has round robin alone, which deals all of them anew.
 *
 * `owned` is asked at every join.
 */
export function createStickyAssigner(cluster: Cluster, owned: () => readonly number[]): Assigner {
  return {
    name: assignerName,
    version,
    // Asynchronous by kafkajs's contract.
    assign: ({ members, topics }) => {
      const [first = ''] = topics;
      const partitions = cluster.findTopicPartitionMetadata(first).length;
      const assigned = divide(members.map(stickyMember), partitions);
      return Promise.resolve(
        members.map(({ memberId }) => {
          const theirs = assigned.get(memberId) ?? [];
          const assignment = Object.fromEntries(topics.map((topic) => [topic, [...theirs]]));
          const memberAssignment = kafkajs.AssignerProtocol.MemberAssignment.encode({
            version,
            assignment,
            userData: Buffer.alloc(0),
          });
          return { memberId, memberAssignment };
        }),
      );
    },
    protocol: ({ topics }) => ({
      name: assignerName,
      metadata: kafkajs.AssignerProtocol.MemberMetadata.encode({
        version,
        topics,
        userData: Buffer.from(owned().join(',')),
      }),
    }),
  };
}

/** Member → its partitions of `0` to `partitions - 1`. The same for the same members, in any order of theirs. */
export function divide(members: readonly StickyMember[], partitions: number): ReadonlyMap<string, readonly number[]> {
  const sorted = [...members].sort((first, second) => (first.id < second.id ? -1 : 1));
  const free = new Set(Array.from({ length: partitions }, (_, partition) => partition));
  const least = Math.floor(partitions / Math.max(1, sorted.length));
  let withOneMore = partitions - least * sorted.length;
  const assigned = new Map<string, number[]>(sorted.map(({ id }) => [id, []]));
  // Two may claim the same one where the first was not heard of for a while: it takes another take-over at worst.
  for (const { id, owned } of sorted) {
    const claimed = owned.filter((partition) => free.has(partition));
    const room = claimed.length > least && withOneMore > 0 ? least + 1 : least;
    if (room > least) withOneMore -= 1;
    const kept = claimed.slice(0, room);
    for (const partition of kept) free.delete(partition);
    assigned.get(id)?.push(...kept);
  }
  const rest = [...free];
  for (const { id } of sorted) {
    const theirs = assigned.get(id) ?? [];
    while (theirs.length < least && rest.length > 0) theirs.push(...rest.splice(0, 1));
  }
  for (const { id } of sorted) {
    const theirs = assigned.get(id) ?? [];
    if (theirs.length === least && rest.length > 0) theirs.push(...rest.splice(0, 1));
    theirs.sort((first, second) => first - second);
  }
  return assigned;
}

function stickyMember({ memberId, memberMetadata }: GroupMember): StickyMember {
  const userData = kafkajs.AssignerProtocol.MemberMetadata.decode(memberMetadata)?.userData.toString() ?? '';
  const owned = userData.split(',').filter((text) => /^\d{1,9}$/u.test(text));
  return { id: memberId, owned: [...new Set(owned.map(Number))] };
}
