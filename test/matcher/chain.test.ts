import fc from 'fast-check';
import test from 'ava';
import { enricherStage } from '../../enricher/enricher.ts';
import { chain } from '../../eventlog/chain.ts';
import type { LogRecord, OutputRecord } from '../../eventlog/event-log.ts';
import { MemoryEventLog } from '../../eventlog/memory.ts';
import { runStages } from '../../eventlog/runner.ts';
import type { ProcessorStage } from '../../eventlog/stage.ts';
import { matcherStage } from '../../matcher/matcher.ts';
import { avroTypeOf } from '../../schemas/avro-types.ts';
import type { TopicName } from '../../schemas/topics.ts';
import { quietly, recordsOf } from '../eventlog/toy.ts';
import { policyDocuments, policyKey } from '../support/policy-document.ts';
import { live, steps } from '../support/random-node.ts';
import { hostDescriptor } from '../support/raw-batch.ts';

/** Everything that is public or kept, but enriched events, which the chain doesn't publish. */
const compared: readonly TopicName[] = ['alerts', 'coverage', 'policy-status', 'enricher-state'];

const apart = [enricherStage(), matcherStage()];
const chained = [chain(enricherStage(), matcherStage())];
const reencoded = [chain(enricherStage(), matcherStage(), { reencode: true })];

/** What `stages` make of records that come in `parts`, each part after the stages were stopped and started anew. */
async function run(
  stages: readonly ProcessorStage[],
  parts: readonly (readonly OutputRecord[])[],
): Promise<Map<TopicName, string[]>> {
  await using log = new MemoryEventLog();
  for (const part of parts) {
    for (const record of part) await log.append([record]);
    // Told to drain from the start: each handles what is there and returns.
    for (const stage of stages) await runStages([stage], log, quietly(), AbortSignal.abort());
  }
  const byTopic = new Map<TopicName, string[]>();
  for (const topic of compared) byTopic.set(topic, (await recordsOf(log, [topic])).map(asText));
  return byTopic;
}

function asText(record: LogRecord): string {
  const type = avroTypeOf(record.topic);
  const bytes = record.value === undefined ? '-' : Buffer.from(type.encode(record.value)).toString('hex');
  const positions = Object.entries(record.tablePositions).sort(([first], [second]) => (first < second ? -1 : 1));
  return `${record.key} ${JSON.stringify(positions)} ${bytes}`;
}

function policy(name: string, options: { action: string; path: string; container?: string }): OutputRecord {
  const [document] = policyDocuments(`
apiVersion: security.kubearmor.com/v1
kind: ${options.container === undefined ? 'KubeArmorHostPolicy' : 'KubeArmorPolicy'}
metadata:
  name: ${name}
spec:
  ${options.container === undefined ? 'nodeSelector' : 'selector'}:
    matchLabels:
      kubearmor.io/${options.container === undefined ? "hostname: '*'" : `container.name: ${options.container}`}
  file:
    matchDirectories:
      - dir: ${options.path}
        recursive: true
  process:
    matchDirectories:
      - dir: /
        recursive: true
  action: ${options.action}
`);
  if (document === undefined) throw new Error('the text holds one policy');
  return { topic: 'policies', key: policyKey(document), value: document };
}

/** Changes of policies that take effect somewhere in the middle: begun, changed, made malformed, deleted. */
const changes: readonly OutputRecord[] = [
  policy('host', { action: 'Audit', path: '/data/' }),
  policy('name', { action: 'Block', path: '/data/', container: 'name-2' }),
  policy('host', { action: 'Block', path: '/data/' }),
  malformed(policy('name', { action: 'Audit', path: '/data/', container: 'name-1' })),
  policy('name', { action: 'Audit', path: '/data/', container: 'name-1' }),
  { topic: 'policies', key: 'KubeArmorHostPolicy//host', value: undefined },
];

function malformed(record: OutputRecord): OutputRecord {
  if (record.topic !== 'policies' || !('value' in record) || record.value === undefined) return record;
  return { ...record, value: { ...record.value, text: 'kind: KubeArmorPolicy\nspec: [', contentHash: 'malformed' } };
}

/** Two nodes' lives and the changes of policies, in one order that follows from `places`. */
function stream(lives: readonly Parameters<typeof live>[1][], places: readonly number[]): OutputRecord[] {
  const records: OutputRecord[] = lives.flatMap((taken, index) =>
    live(`node-${index}`, taken).map((value, place): OutputRecord => {
      // The host is named with the first batch, as in every session.
      const batch = place === 0 ? { ...value, containers: [hostDescriptor(), ...value.containers] } : value;
      return { topic: 'raw-events', key: value.nodeId, value: batch };
    }),
  );
  for (const [index, change] of changes.entries()) {
    records.splice((places[index] ?? 0) % (records.length + 1), 0, change);
  }
  return records;
}

const lives = fc.array(steps, { minLength: 1, maxLength: 2 });
const places = fc.array(fc.nat(1_000), { minLength: changes.length, maxLength: changes.length });

test('chained and apart give the same bytes while policies and descriptors change in mid-stream', async (t) => {
  let alerts = 0;
  const property = fc.asyncProperty(lives, places, async (taken, where) => {
    const records = stream(taken, where);
    const expected = await run(apart, [records]);
    alerts += expected.get('alerts')?.length ?? 0;
    t.deepEqual(await run(chained, [records]), expected);
    t.deepEqual(await run(reencoded, [records]), expected);
  });
  await fc.assert(property, { numRuns: 40 });
  t.true(alerts > 10, `only ${alerts} alerts were compared`);
});

test('stopping and starting anywhere in the stream gives the same bytes', async (t) => {
  const property = fc.asyncProperty(lives, places, fc.nat(1_000), async (taken, where, cut) => {
    const records = stream(taken, where);
    const place = cut % (records.length + 1);
    const expected = await run(chained, [records]);
    t.deepEqual(await run(chained, [records.slice(0, place), records.slice(place)]), expected);
  });
  await fc.assert(property, { numRuns: 40 });
});
