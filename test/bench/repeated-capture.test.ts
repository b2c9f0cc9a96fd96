import path from 'node:path';
import test from 'ava';
import { buildCaptureFile } from '../../bench/captures/bundled.ts';
import { repeatedBatches } from '../../bench/repeated-capture.ts';
import { packageRoot } from '../../cli/package-root.ts';
import { enricherStage } from '../../enricher/enricher.ts';
import type { RawEventBatch } from '../../schemas/generated.ts';
import { logRecord, valuesOf } from '../support/run-processor.ts';

const storyFile = path.join(packageRoot(), 'cli/demo/recording.avro');

async function repeated(file: string, events: number): Promise<readonly RawEventBatch[]> {
  const batches: RawEventBatch[] = [];
  for await (const batch of repeatedBatches(file, events)) batches.push(batch);
  return batches;
}

for (const [name, file, events] of [
  ['the story', storyFile, 5000],
  ['the build', buildCaptureFile(), 70_000],
] as const) {
  test(`${name} comes again as one session that goes on: no event is a repeat, and no process comes twice`, async (t) => {
    const batches = await repeated(file, events);
    const count = batches.reduce((sum, batch) => sum + batch.events.length, 0);
    t.true(count >= events);
    t.true(batches.every((batch) => batch.events.length <= 1000));
    t.deepEqual(
      batches.map(({ batch }) => batch),
      batches.map((_, index) => index + 1),
    );
    t.is(new Set(batches.map(({ nodeId, bootId, session }) => `${nodeId} ${bootId} ${session}`)).size, 1);

    const enricher = enricherStage({ keepsState: false }).createProcessor(0);
    const enriched = batches.flatMap((batch) => [...enricher.process(logRecord('raw-events', batch.nodeId, batch))]);
    const accepted = valuesOf('enriched-events', enriched).reduce((sum, { raw }) => sum + raw.events.length, 0);
    t.is(accepted, count);

    const executed = batches.flatMap((batch) =>
      batch.events.flatMap(({ operation, process }) => {
        const context = batch.processes[process];
        return operation === 'exit' && context !== undefined ? [`${context.hostPid}/${context.startTimeNs}`] : [];
      }),
    );
    t.true(executed.length > 0);
    t.is(new Set(executed).size, executed.length);
  });
}
