import test from 'ava';
import fc from 'fast-check';
import { chain } from '../../eventlog/chain.ts';
import type { EventLog, InputBatch, LogRecord, OutputRecord, StampedOutput } from '../../eventlog/event-log.ts';
import { MemoryEventLog } from '../../eventlog/memory.ts';
import { runStages } from '../../eventlog/runner.ts';
import type { ProcessorStage } from '../../eventlog/stage.ts';
import { createSingleObjectFormat } from '../../eventlog/wire-format.ts';
import type { TopicName } from '../../schemas/topics.ts';
import { AroundLog, withBatches } from './around-log.ts';
import { event, garbage, judge, policy, quietly, recordsOf, removedPolicy, tagger, textOf, textsOf } from './toy.ts';

/** What happens to a flow, in order. */
type Happening =
  | { readonly kind: 'event'; readonly node: string; readonly text: string }
  | { readonly kind: 'policy'; readonly name: string; readonly text: string | undefined }
  | { readonly kind: 'garbage'; readonly node: string };

const name = fc.constantFrom('a', 'b', 'c');
const happening: fc.Arbitrary<Happening> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('event' as const), node: name, text: fc.string({ maxLength: 4 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('policy' as const),
      name,
      text: fc.option(fc.string({ maxLength: 3 }), { nil: undefined }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('garbage' as const), node: name }) },
);
const happenings = fc.array(happening, { maxLength: 30 });

test('where batches are cut means nothing', async (t) => {
  await fc.assert(
    fc.asyncProperty(happenings, fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1 }), async (story, cuts) => {
      t.deepEqual(await published(story, (log) => recut(log, cuts)), await published(story));
    }),
    { numRuns: 60 },
  );
});

test('stopping and starting anywhere means nothing', async (t) => {
  await fc.assert(
    fc.asyncProperty(happenings, fc.array(fc.nat({ max: 30 }), { maxLength: 4 }), async (story, stops) => {
      await using log = new MemoryEventLog();
      for (const [place, next] of story.entries()) {
        if (stops.includes(place)) await runStages([tagger], log, quietly(), AbortSignal.abort());
        await log.append([recordOf(next)]);
      }
      await runStages([tagger], log, quietly(), AbortSignal.abort());
      t.deepEqual(await bytesOf(log, tagger.outputs), await published(story));
    }),
    { numRuns: 60 },
  );
});

test("interleaving nodes changes no node's output", async (t) => {
  const perNode = fc.tuple(
    ...['a', 'b', 'c'].map((node) =>
      fc.array(
        fc.string().map((text) => event(node, text)),
        { maxLength: 8 },
      ),
    ),
  );
  await fc.assert(
    fc.asyncProperty(perNode, fc.infiniteStream(fc.nat({ max: 2 })), async (nodes, order) => {
      const oneByOne = await outputsByNode(nodes.flat());
      t.deepEqual(await outputsByNode(interleave(nodes, order)), oneByOne);
    }),
    { numRuns: 60 },
  );
});

test('a table change takes effect at its place, also in a later stage that runs long after', async (t) => {
  await fc.assert(
    fc.asyncProperty(happenings, happenings, async (story, later) => {
      await using log = new MemoryEventLog();
      for (const next of story) await log.append([recordOf(next)]);
      await runStages([tagger], log, quietly(), AbortSignal.abort());
      // The later stage finds a table that has changed since.
      for (const next of later) if (next.kind === 'policy') await log.append([recordOf(next)]);
      await runStages([judge], log, quietly(), AbortSignal.abort());
      t.deepEqual(
        await textsOf(log, ['workloads']),
        expectedTags(story).map(({ tag }) => tag),
      );
      t.deepEqual(
        (await recordsOf(log, ['dead-letters'])).filter(isOutput).map(textOf),
        expectedTags(story).map(({ tag, digest }) => `${tag} judged by [${digest}]`),
      );
    }),
    { numRuns: 100 },
  );
});

test('chained and apart publish the same bytes, and what is handed over may be encoded on the way', async (t) => {
  await fc.assert(
    fc.asyncProperty(happenings, async (story) => {
      const topics = ['dead-letters'] as const;
      const apart = await published(story, (log) => log, [tagger, judge], topics);
      t.deepEqual(await published(story, (log) => log, [chain(tagger, judge)], topics), apart);
      t.deepEqual(await published(story, (log) => log, [chain(tagger, judge, { reencode: true })], topics), apart);
    }),
    { numRuns: 60 },
  );
});

test('a chain publishes nothing of what it hands over, and keeps both states', async (t) => {
  const chained = chain(tagger, judge);
  t.deepEqual(chained, {
    ...chained,
    name: 'tagger-judge',
    inputs: ['coverage'],
    tables: ['policies'],
    outputs: ['policy-status', 'dead-letters'],
    state: ['policy-status'],
  });
  await using log = new MemoryEventLog();
  await log.append([event('a', '1')]);
  await runStages([chained], log, quietly(), AbortSignal.abort());
  await log.append([event('a', '2')]);
  await runStages([chained], log, quietly(), AbortSignal.abort());
  t.deepEqual(await textsOf(log, ['dead-letters']), ['1 1 [] judged by []', '2 2 [] judged by []']);
  t.deepEqual(await textsOf(log, ['workloads']), []);
});

test('outputs are stamped with the positions of every table of the stage, and carry those of earlier stages on', async (t) => {
  await using log = new MemoryEventLog();
  const observer: ProcessorStage = { ...judge, name: 'observer', tables: [], state: [] };
  await log.append([event('a', '1'), policy('p', 'x'), policy('p', 'y'), event('a', '2')]);
  await runStages([tagger, observer], log, quietly(), AbortSignal.abort());
  const positions = async (topic: TopicName): Promise<unknown> =>
    (await recordsOf(log, [topic])).map(({ tablePositions }) => tablePositions);
  t.deepEqual(await positions('workloads'), [{ policies: 0 }, { policies: 2 }]);
  t.deepEqual(await positions('dead-letters'), [{ policies: 0 }, { policies: 2 }]);
});

function recordOf(next: Happening): OutputRecord {
  if (next.kind === 'event') return event(next.node, next.text);
  if (next.kind === 'garbage') return garbage(next.node);
  return next.text === undefined ? removedPolicy(next.name) : policy(next.name, next.text);
}

/** What the tagger says of each event, worked out by hand. */
function expectedTags(story: readonly Happening[]): readonly { readonly tag: string; readonly digest: string }[] {
  const policies = new Map<string, string>();
  const counts = new Map<string, number>();
  const tags: { tag: string; digest: string }[] = [];
  for (const next of story) {
    if (next.kind === 'policy') {
      if (next.text === undefined) policies.delete(next.name);
      else policies.set(next.name, next.text);
    } else if (next.kind === 'event') {
      const count = (counts.get(next.node) ?? 0) + 1;
      counts.set(next.node, count);
      const digest = [...policies]
        .map(([policyName, text]) => `${policyName}=${text}`)
        .sort()
        .join();
      tags.push({ tag: `${count} ${next.text} [${digest}]`, digest });
    }
  }
  return tags;
}

/** Topic, key, stamped positions and bytes of all that `stages` publish for `story`, in order. */
async function published(
  story: readonly Happening[],
  wrap: (log: EventLog) => EventLog = (log) => log,
  stages: readonly ProcessorStage[] = [tagger],
  topics: readonly TopicName[] = tagger.outputs,
): Promise<readonly string[]> {
  await using log = new MemoryEventLog();
  for (const next of story) await log.append([recordOf(next)]);
  await runStages(stages, wrap(log), quietly(), AbortSignal.abort());
  return await bytesOf(log, topics);
}

async function bytesOf(log: EventLog, topics: readonly TopicName[]): Promise<readonly string[]> {
  const format = createSingleObjectFormat();
  const records = (await recordsOf(log, topics)).filter(isOutput);
  return records.map(({ topic, key, value, tablePositions }) => {
    const bytes = value === undefined ? '' : Buffer.from(format.encode(topic, value)).toString('hex');
    return `${topic} ${key} ${JSON.stringify(tablePositions)} ${bytes}`;
  });
}

/** Not so for the runner's own dead letters, keyed by the topic that could not be read: they come when their stage runs. */
function isOutput(record: LogRecord): boolean {
  return record.topic !== 'dead-letters' || record.key !== 'coverage';
}

async function outputsByNode(records: readonly OutputRecord[]): Promise<ReadonlyMap<string, readonly string[]>> {
  await using log = new MemoryEventLog();
  await log.append(records);
  await runStages([tagger], log, quietly(), AbortSignal.abort());
  const byNode = new Map<string, string[]>();
  for (const node of ['a', 'b', 'c']) byNode.set(node, []);
  for (const line of await bytesOf(log, tagger.outputs)) byNode.get(line.split(' ')[1] ?? '')?.push(line);
  return byNode;
}

/** All records, those of each node in their order; which node is next comes from `order`. */
function interleave(nodes: readonly (readonly OutputRecord[])[], order: Iterator<number>): readonly OutputRecord[] {
  const queues = nodes.map((records) => [...records]);
  const result: OutputRecord[] = [];
  while (queues.some((queue) => queue.length > 0)) {
    const wanted = queues[Number(order.next().value)];
    const record = (
      wanted !== undefined && wanted.length > 0 ? wanted : queues.find((queue) => queue.length > 0)
    )?.shift();
    if (record !== undefined) result.push(record);
  }
  return result;
}

/** A log that hands out other batches than the one below: split by `cuts`, over and over. */
function recut(log: EventLog, cuts: readonly number[]): EventLog {
  return new AroundLog(log, (partition) => {
    let next = 0;
    const size = (): number => cuts[next++ % cuts.length] ?? 1;
    return withBatches(partition, (batch) => split(batch, size));
  });
}

function* split(batch: InputBatch, size: () => number): Generator<InputBatch> {
  const outputs: StampedOutput[] = [];
  for (let start = 0; start < batch.records.length;) {
    const end = Math.min(batch.records.length, start + size());
    const isLast = end === batch.records.length;
    yield {
      ...batch,
      records: batch.records.slice(start, end),
      commit: async (more) => {
        outputs.push(...more);
        if (isLast) await batch.commit(outputs);
      },
    };
    start = end;
  }
}
