import test, { type ExecutionContext } from 'ava';
import { enricherStage } from '../../enricher/enricher.ts';
import { chain } from '../../eventlog/chain.ts';
import type { EventLog, LogRecord, OutputRecord } from '../../eventlog/event-log.ts';
import { MemoryEventLog } from '../../eventlog/memory.ts';
import { runStages } from '../../eventlog/runner.ts';
import type { ProcessorStage } from '../../eventlog/stage.ts';
import { matcherStage } from '../../matcher/matcher.ts';
import { Metrics } from '../../runtime/metrics.ts';
import { avroTypeOf } from '../../schemas/avro-types.ts';
import type { RawEventBatch } from '../../schemas/generated.ts';
import type { TopicName } from '../../schemas/topics.ts';
import { quietly, recordsOf } from '../eventlog/toy.ts';
import { sumOf } from '../runtime/sum-of.ts';
import { policyDocuments, policyKey } from '../support/policy-document.ts';
import { hostDescriptor, TestNode } from '../support/raw-batch.ts';

/*
 * What a hostile node can make of few bytes: a batch that the log takes and whose alerts, or whose enriched form, it would not
 * take. Through the real enricher and matcher, one after the other and as one.
 */

const published: readonly TopicName[] = ['alerts', 'coverage', 'policy-status', 'enricher-state', 'dead-letters'];
const hostileRows = 5_000;

/** Audits each run of ls on the host. */
const policies: readonly OutputRecord[] = policyDocuments(`
apiVersion: security.kubearmor.com/v1
kind: KubeArmorHostPolicy
metadata: { name: ls }
spec:
  nodeSelector: { matchLabels: { kubearmor.io/hostname: '*' } }
  process: { matchPaths: [{ path: /bin/ls }] }
  action: Audit
`).map((value) => ({ topic: 'policies', key: policyKey(value), value }));

/** One alert; a batch of 5,000 whose arguments are 16 KiB long, each named by its index; the same rows again with one more. */
function manyAlerts(): readonly RawEventBatch[] {
  const node = new TestNode();
  const shell = node.process({ hostPid: 2, executable: '/bin/sh' });
  const run = (argument: string): void => {
    node.exec(shell, '/bin/ls', { arguments: ['ls', argument] });
  };
  run('before');
  const before = node.batch({ containers: [hostDescriptor()] });
  for (let row = 0; row < hostileRows; row++) run('x'.repeat(16 * 1024));
  const hostile = node.batch({ counters: true });
  run('after');
  const after = node.batch();
  return [before, hostile, { ...hostile, batch: after.batch + 1 }, { ...after, batch: after.batch + 2 }];
}

/** A batch that is near the log's limit by itself, with ancestries beside. */
function manyAncestors(): readonly RawEventBatch[] {
  const node = new TestNode();
  const executable = '/'.padEnd(4_000, 'x');
  for (let leaf = 0; leaf < 300; leaf++) {
    let process = node.process({ executable });
    for (let depth = 0; depth < 4; depth++) process = node.fork(process);
    node.open(process, '/x');
  }
  const hostile = node.batch({ containers: [hostDescriptor()] });
  node.exec(node.process({ executable: '/bin/sh' }), '/bin/ls');
  return [{ ...hostile, strings: [...hostile.strings, new Uint8Array(13 << 20)] }, node.batch()];
}

async function run(
  t: ExecutionContext,
  stages: readonly ProcessorStage[],
  batches: readonly RawEventBatch[],
  options: { readonly restarts?: boolean; readonly metrics?: Metrics } = {},
): Promise<EventLog> {
  const log = new MemoryEventLog();
  t.teardown(() => log[Symbol.asyncDispose]());
  await log.append(policies);
  const handle = (): Promise<boolean> => runStages(stages, log, quietly(options.metrics), AbortSignal.abort());
  for (const value of batches) {
    await log.append([{ topic: 'raw-events', key: value.nodeId, value }]);
    if (options.restarts === true) await handle();
  }
  if (options.restarts !== true) await handle();
  return log;
}

function asText({ topic, key, value, tablePositions }: LogRecord): string {
  const bytes = value === undefined ? '-' : Buffer.from(avroTypeOf(topic).encode(value)).toString('base64');
  return `${topic} ${key} ${JSON.stringify(tablePositions)} ${bytes}`;
}

const layouts: readonly (readonly [string, readonly ProcessorStage[], TopicName])[] = [
  ['as one', [chain(enricherStage(), matcherStage())], 'raw-events'],
  ['apart', [enricherStage(), matcherStage()], 'enriched-events'],
];

for (const [how, stages, refusedTopic] of layouts) {
  test(`a batch whose alerts the log would not take is a dead letter, told with its rows, and the flow goes on: ${how}`, async (t) => {
    const metrics = new Metrics();
    const log = await run(t, stages, manyAlerts(), { metrics });
    const alerts = (await recordsOf(log, ['alerts'])).map((record) =>
      record.topic === 'alerts' ? record.value?.resource : '',
    );
    // The rows that came again are repeats: their batch gives nothing, and is no second letter.
    t.deepEqual(alerts, ['/bin/ls before', '/bin/ls after']);
    const letters = await recordsOf(log, ['dead-letters']);
    t.is(letters.length, 1);
    t.like(letters[0]?.value, { topic: refusedTopic, offset: 1, key: 'node-1', stage: stages.at(-1)?.name });
    const gaps = (await recordsOf(log, ['coverage'])).flatMap((record) =>
      record.topic === 'coverage' ? (record.value?.gaps ?? []) : [],
    );
    t.deepEqual(
      gaps.map(({ reason, lost }) => ({ reason, lost })),
      [{ reason: 'deadLetter', lost: hostileRows }],
    );
    t.is(sumOf(metrics, 'palisade_events_dropped_total', { topic: refusedTopic, reason: 'oversized' }), 1);
  });

  test(`what becomes of such a batch is the same, byte for byte, wherever it is stopped and started: ${how}`, async (t) => {
    const straight = await run(t, stages, manyAlerts());
    const restarted = await run(t, stages, manyAlerts(), { restarts: true });
    // Coverage and letters of two stages that run at once have no order between them.
    const textsOf = async (log: EventLog): Promise<readonly string[]> =>
      (await recordsOf(log, published))
        .filter(({ topic }) => topic !== 'coverage')
        .map(asText)
        .sort();
    t.deepEqual(await textsOf(restarted), await textsOf(straight));
  });
}

test('a batch whose enriched form the log would not take is a dead letter, and the flow goes on', async (t) => {
  const log = await run(t, [enricherStage(), matcherStage()], manyAncestors());
  const letters = await recordsOf(log, ['dead-letters']);
  t.is(letters.length, 1);
  t.like(letters[0]?.value, { topic: 'raw-events', offset: 0, stage: 'enricher' });
  t.is((await recordsOf(log, ['alerts'])).length, 1);
  t.is((await recordsOf(log, ['enricher-state'])).length, 2);
});
