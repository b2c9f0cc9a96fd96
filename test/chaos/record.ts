/**
 * Makes the capture that chaos is run with, as root: `npx node dist/test/chaos/record.js`. Plays the story while
 * `palisade record` watches this kernel, and keeps of the recording what the story's containers did, and the policies.
 */
import { setTimeout as delay } from 'node:timers/promises';
import path from 'node:path';
import process from 'node:process';
import { ContainerExcerpt } from '../../cli/demo/excerpt.ts';
import { untilItWatches } from '../../cli/demo/record-container.ts';
import { CaptureWriter } from '../../eventlog/capture-writer.ts';
import { CaptureEventLog } from '../../eventlog/capture.ts';
import { PalisadeHome } from '../support/palisade-process.ts';
import { Containers, whyNoContainers } from '../support/runc-container.ts';
import { captureFile } from './capture-file.ts';
import { ExcerptCounters } from './excerpt-counters.ts';
import { containerPrefix, playContainer, storyContainers, StoryPolicies } from './story.ts';

/** Nothing tells from outside that a policy has been taken over: so long is waited, and a test looks at what came of it. */
const settleMs = 3000;

const missing = whyNoContainers();
if (missing !== undefined) throw new Error(missing);
await using home = new PalisadeHome();
await using containers = new Containers();
const policies = new StoryPolicies(path.join(home.dataDirectory, 'policies'));
const recorded = path.join(home.dataDirectory, 'recorded.avro');
const recorder = home.start(['record', '-o', recorded, '--policies', policies.folder]);
let hasEnded = false;
void recorder.ended.finally(() => (hasEnded = true));
await untilItWatches(home.dataDirectory, () => !hasEnded);

for (let container = 0; container < storyContainers; container += 2) {
  const changes = [policies.before(container), policies.before(container + 1)].filter((change) => change !== undefined);
  if (changes.length > 0) await delay(settleMs);
  process.stdout.write(
    `containers ${container} and ${container + 1}${changes.map((change) => `; ${change}`).join('')}\n`,
  );
  await Promise.all([playContainer(containers, container), playContainer(containers, container + 1)]);
}
// It drains the ring before it ends.
recorder.kill('SIGINT');
const { code, output, errors } = await recorder.ended;
if (code !== 0) throw new Error(`record ended with ${String(code)}: ${errors}`);
process.stdout.write(output);

await using capture = await CaptureEventLog.open(recorded);
await using writer = await CaptureWriter.create(captureFile());
const excerpt = new ContainerExcerpt((id) => id.startsWith(containerPrefix));
const counters = new ExcerptCounters();
const { signal } = new AbortController();
const topics = ['policies', 'raw-events'] as const;
for await (const record of capture.read({ topics, from: 'start', follow: false, signal })) {
  if (record.topic !== 'raw-events' || record.value === undefined) {
    await writer.write(record);
    continue;
  }
  const kept = excerpt.take(record.value);
  if (kept !== undefined) await writer.write({ ...record, value: counters.counted(kept) });
}
