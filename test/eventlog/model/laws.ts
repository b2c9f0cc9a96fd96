import assert from 'node:assert/strict';
import { decodeRecord } from '../../../eventlog/decode-record.ts';
import type { LogRecord } from '../../../eventlog/event-log.ts';
import type { TopicName } from '../../../schemas/topics.ts';
import { unreadable } from '../../../eventlog/dead-letter.ts';
import { textOf } from '../toy.ts';
import type { Disk } from './disk.ts';
import { rowOf, sinkName, type Destination, type Ring } from './outside.ts';

/** What must hold, whatever happens. */
export type Law =
  | 'no stage fails, and all come to an end'
  | 'what happened is appended'
  | 'every input has its effect exactly once'
  | 'a table change takes effect at its place'
  | 'every row is outside exactly once'
  | 'what cannot be read is one dead letter';

export class BrokenLaw extends Error {
  readonly law: Law;

  constructor(law: Law, cause: unknown) {
    super(`broken: ${law}: ${String(cause)}`, { cause });
    this.name = new.target.name;
    this.law = law;
  }
}

export interface Outcome {
  readonly disk: Disk;
  readonly ring: Ring;
  readonly destination: Destination;
  readonly chained: boolean;
}

/**
 * The laws that do not hold. What should be there is worked out by hand from the inputs in the order of the log: no code of
 * the runner has a part in it.
 */
export function brokenLaws(outcome: Outcome): readonly BrokenLaw[] {
  const broken: BrokenLaw[] = [];
  const holds = (law: Law, check: () => void): void => {
    try {
      check();
    } catch (cause) {
      broken.push(new BrokenLaw(law, cause));
    }
  };
  const { disk, ring, destination, chained } = outcome;
  const records = disk.history.map((stored) => decodeRecord(stored, disk.format));
  const tagged = records.filter(({ topic }) => topic === 'workloads');
  const letters = records.flatMap((record) =>
    record.topic === 'dead-letters' && record.value !== undefined && record.value.topic !== '' ? [record.value] : [],
  );
  const verdicts = records.filter((record) => record.topic === 'dead-letters' && record.value?.topic === '');
  const expected = judgedByHand(records);
  const nodes = ['a', 'b'];

  holds('what happened is appended', () => {
    for (const { node, number, text } of ring.happened) {
      const isThere = records.some(
        (record) =>
          isReadable(record, 'coverage') &&
          record.key === node &&
          record.value?.lastBatch === number &&
          textOf(record) === text,
      );
      assert.ok(isThere, `event ${number} of node ${node}`);
    }
  });
  holds('every input has its effect exactly once', () => {
    for (const node of nodes) {
      const ofNode = expected.filter((one) => one.node === node);
      if (!chained)
        assert.deepEqual(
          textsFor(node, tagged).map(withoutPolicies),
          ofNode.map(({ tag }) => withoutPolicies(tag)),
        );
      assert.deepEqual(
        textsFor(node, verdicts).map(withoutPolicies),
        ofNode.map(({ tag }) => withoutPolicies(tag)),
      );
    }
  });
  holds('a table change takes effect at its place', () => {
    for (const node of nodes) {
      const ofNode = expected.filter((one) => one.node === node);
      if (!chained)
        assert.deepEqual(
          textsFor(node, tagged),
          ofNode.map(({ tag }) => tag),
        );
      assert.deepEqual(
        textsFor(node, verdicts),
        ofNode.map(({ tag, digest }) => `${tag} judged by [${digest}]`),
      );
      for (const made of chained ? [verdicts] : [tagged, verdicts]) {
        assert.deepEqual(
          made.filter(({ key }) => key === node).map(({ tablePositions }) => tablePositions),
          ofNode.map(({ position }) => ({ policies: position })),
        );
      }
    }
  });
  holds('every row is outside exactly once', () => {
    const refused = letters.filter(({ stage }) => stage === sinkName).map(({ offset }) => offset);
    const rows = tagged.map((record) => (refused.includes(record.offset) ? `${record.offset}` : rowOf(record)));
    assert.deepEqual([...destination.rows, ...refused.map(String)].sort(), rows.sort());
  });
  holds('what cannot be read is one dead letter', () => {
    const lastInput = records.findLastIndex(({ topic }) => topic === 'coverage');
    const judgedUntil = Math.max(0, ...expected.map(({ position }) => position));
    const lettersExpected = records.flatMap((record, place) => {
      if (unreadable(record) === undefined) return [];
      const { topic, offset } = record;
      // A table change is read when an input needs it, by a later stage when the one before it did.
      const readers = [
        ...(place <= lastInput ? [chained ? 'tagger-judge' : 'tagger'] : []),
        ...(!chained && topic === 'policies' && offset < judgedUntil ? ['judge'] : []),
      ];
      return readers.map((stage) => `${stage} ${topic} ${offset}`);
    });
    const written = letters
      .filter(({ stage }) => stage !== sinkName)
      .map(({ stage, topic, offset }) => `${stage} ${topic} ${offset}`);
    assert.deepEqual(written.sort(), lettersExpected.sort());
  });
  return broken;
}

interface Judged {
  readonly node: string;
  readonly tag: string;
  readonly digest: string;
  /** Of the table: the offset after its last change. */
  readonly position: number;
}

/** What the tagger says of each event that is no repeat, under the policies that were there when it was appended. */
function judgedByHand(records: readonly LogRecord[]): readonly Judged[] {
  const policies = new Map<string, string>();
  const counts = new Map<string, number>();
  const judged: Judged[] = [];
  let position = 0;
  for (const record of records) {
    if (record.topic === 'policies') {
      position = record.offset + 1;
      if (unreadable(record) !== undefined) continue;
      if (record.value === undefined) policies.delete(record.key);
      else policies.set(record.key, record.value.text);
    } else if (isReadable(record, 'coverage')) {
      const count = counts.get(record.key) ?? 0;
      if ((record.value?.lastBatch ?? 0) <= count) continue;
      counts.set(record.key, count + 1);
      const digest = [...policies]
        .map(([name, text]) => `${name}=${text}`)
        .sort()
        .join();
      judged.push({ node: record.key, tag: `${count + 1} ${textOf(record)} [${digest}]`, digest, position });
    }
  }
  return judged;
}

function isReadable<Topic extends TopicName>(
  record: LogRecord,
  topic: Topic,
): record is Extract<LogRecord, { readonly topic: Topic }> {
  return record.topic === topic && unreadable(record) === undefined;
}

function textsFor(node: string, records: readonly LogRecord[]): readonly string[] {
  return records.filter(({ key }) => key === node).map(textOf);
}

/** `1 x [p=1] judged by [p=1]` → `1 x`. */
function withoutPolicies(text: string): string {
  return text.slice(0, text.indexOf(' ['));
}
