import fc from 'fast-check';
import type { Delays } from './model-process.ts';

/** What happens. The owner is the process that the group gives the partition to, whatever it knows of that. */
export type KafkaCommand =
  | { readonly kind: 'event'; readonly node: string; readonly text: string }
  | { readonly kind: 'the last event again' }
  | { readonly kind: 'policy'; readonly name: string; readonly text: string }
  /** The other one is to be the owner; the owner goes on, is paused past its session, or dies. */
  | { readonly kind: 'rebalance' | 'pause the owner and rebalance' | 'kill the owner and rebalance' }
  | { readonly kind: 'crash' | 'pause' | 'resume' }
  | { readonly kind: 'cut'; readonly arrives: boolean }
  | { readonly kind: 'heartbeats' }
  | { readonly kind: 'compaction' }
  | { readonly kind: 'new leader of the table'; readonly behind: number; readonly steps: number };

/** One thing that happens, and how many steps pass after it, with any number of others between them. */
interface Turn {
  readonly happens: KafkaCommand;
  readonly steps: number;
}

export interface KafkaStory {
  readonly turns: readonly Turn[];
  /** Where batches are cut: after each record, or when all is in that waits. */
  readonly batchBytes: number;
  /** Whether collectors number their events; those without a number have no repeats, and nothing hides what is read twice. */
  readonly numbered: boolean;
  readonly delays: Delays;
}

function kindOf<Kind extends KafkaCommand['kind']>(...kinds: readonly Kind[]): fc.Arbitrary<Kind> {
  return fc.constantFrom(...kinds);
}

const command: fc.Arbitrary<KafkaCommand> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: kindOf('event'),
      node: fc.constantFrom('a', 'b'),
      text: fc.constantFrom('x', 'y'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: kindOf('the last event again') }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: kindOf('policy'),
      name: fc.constantFrom('p', 'q'),
      text: fc.constantFrom('1', '2'),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: kindOf('rebalance', 'pause the owner and rebalance', 'kill the owner and rebalance'),
    }),
  },
  { weight: 5, arbitrary: fc.record({ kind: kindOf('crash', 'pause', 'resume', 'resume', 'resume') }) },
  { weight: 1, arbitrary: fc.record({ kind: kindOf('cut'), arrives: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: kindOf('heartbeats') }) },
  { weight: 1, arbitrary: fc.record({ kind: kindOf('compaction') }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: kindOf('new leader of the table'),
      behind: fc.constantFrom(1, 3),
      steps: fc.constantFrom(20, 60),
    }),
  },
);

const turn: fc.Arbitrary<Turn> = fc.record({ happens: command, steps: fc.constantFrom(0, 4, 12) });

export const kafkaStory: fc.Arbitrary<KafkaStory> = fc.record({
  turns: fc.array(turn, { minLength: 1, maxLength: 20, size: 'max' }),
  batchBytes: fc.constantFrom(1, 1 << 20),
  numbered: fc.boolean(),
  delays: fc.record({ connectSteps: fc.constantFrom(1, 6, 15), lossSteps: fc.constantFrom(1, 20) }),
});
