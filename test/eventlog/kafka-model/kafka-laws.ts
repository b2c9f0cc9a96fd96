import assert from 'node:assert/strict';
import { decodeRecord } from '../../../eventlog/decode-record.ts';
import { recordOf } from '../../../eventlog/kafka-record.ts';
import type { WireFormat } from '../../../eventlog/wire-format.ts';
import { textOf } from '../toy.ts';
import type { ModelMessage } from './model-broker.ts';

/** What must hold for a reader at read_committed, whatever happens. */
export type KafkaLaw =
  | 'every input has its output exactly once, in its node’s order'
  | 'the state goes on where the predecessor left it'
  | 'tables never go back'
  | 'no instance fails, and all come to an end';

export class BrokenKafkaLaw extends Error {
  readonly law: KafkaLaw;

  constructor(law: KafkaLaw, cause: unknown) {
    super(`broken: ${law}: ${String(cause)}`, { cause });
    this.name = new.target.name;
    this.law = law;
  }
}

/** An event as its collector appended it, maybe twice. */
export interface Appended {
  readonly node: string;
  /** From 1 for each node. */
  readonly number: number;
  readonly text: string;
}

export interface KafkaOutcome {
  /** In the order of their topic. */
  readonly appended: readonly Appended[];
  /** Of the table, each at the offset that is its place here. */
  readonly policies: readonly { readonly name: string; readonly text: string }[];
  /** At read_committed, in the order of their topic. */
  readonly outputs: readonly ModelMessage[];
  readonly format: WireFormat;
}

/**
 * The laws that do not hold. What one undisturbed instance gives is worked out by hand from the inputs: no code that is being
 * tested has a part in it.
 */
export function brokenKafkaLaws({ appended, policies, outputs, format }: KafkaOutcome): readonly BrokenKafkaLaw[] {
  const broken: BrokenKafkaLaw[] = [];
  const holds = (law: KafkaLaw, check: () => void): void => {
    try {
      check();
    } catch (cause) {
      broken.push(new BrokenKafkaLaw(law, cause));
    }
  };
  const records = outputs.map((message) => recordOf('workloads', 0, message));
  // `2 x [p=1]`: the second event of its node, x, under the policy p of the text 1.
  const read = records.map((record) => {
    const [, count = '', text = '', digest = ''] =
      /^(\d+) (.*) \[(.*)\]$/u.exec(textOf(decodeRecord(record, format))) ?? [];
    return { node: record.key, count, text, digest, position: record.tablePositions.policies ?? -1 };
  });
  const nodes = new Set(appended.map(({ node }) => node));
  holds('every input has its output exactly once, in its node’s order', () => {
    for (const node of nodes) {
      assert.deepEqual(
        read.filter((output) => output.node === node).map(({ text }) => text),
        withoutRepeats(appended, node).map(({ text }) => text),
      );
    }
  });
  holds('the state goes on where the predecessor left it', () => {
    for (const node of nodes) {
      const counts = read.filter((output) => output.node === node).map(({ count }) => count);
      assert.deepEqual(
        counts,
        counts.map((_, place) => String(place + 1)),
      );
    }
  });
  holds('tables never go back', () => {
    for (const [place, { position, digest }] of read.entries()) {
      assert.ok(position >= (read[place - 1]?.position ?? 0), `from ${read[place - 1]?.position} to ${position}`);
      assert.equal(digest, digestOf(policies.slice(0, position)));
    }
  });
  return broken;
}

function withoutRepeats(appended: readonly Appended[], node: string): readonly Appended[] {
  const ofNode = appended.filter((each) => each.node === node);
  return ofNode.filter(({ number }, place) => ofNode.findIndex((first) => first.number === number) === place);
}

function digestOf(policies: KafkaOutcome['policies']): string {
  return [...new Map(policies.map(({ name, text }) => [name, text]))]
    .map(([name, text]) => `${name}=${text}`)
    .sort()
    .join();
}
