/**
 * Makes the bundled recording: `npx node dist/cli/demo/record.js [DATA-DIRECTORY]` while `palisade up` watches the kernel.
 * Plays the demo's story in a container, reads what the node told of it from the log, and keeps that container's events.
 */
import path from 'node:path';
import process from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';
import { EmbeddedEventLog } from '../../eventlog/embedded.ts';
import type { RawEventBatch } from '../../schemas/generated.ts';
import { createLogger } from '../../runtime/logger.ts';
import { dataLayout } from '../data-directory.ts';
import { packageRoot } from '../package-root.ts';
import { policyRecords } from '../policy-records.ts';
import { playStory } from './container.ts';
import { excerptOfContainer } from './excerpt.ts';
import { recordingFile, writeRecording } from './recording.ts';
import { demoContainerName } from './story.ts';

/** The collector appends within 20 ms; this leaves room for a slow machine. */
const settleMs = 2000;

const directory = process.argv[2] ?? '/var/lib/palisade';
const never = new AbortController();
await using log = EmbeddedEventLog.openReadOnly({ directory: dataLayout(directory).log });
await playStory({ merged: true, signal: never.signal });
await delay(settleMs);
const batches: RawEventBatch[] = [];
for await (const record of log.read({ topics: ['raw-events'], from: 'start', follow: false, signal: never.signal })) {
  if (record.topic === 'raw-events' && record.value !== undefined) batches.push(record.value);
}
const session = batches.at(-1)?.session;
const excerpt = excerptOfContainer(
  batches.filter((batch) => batch.session === session),
  demoContainerName,
);
if (excerpt.length === 0)
  throw new Error('the log has no event of the container: does `palisade up` watch the kernel?');
const logger = createLogger({ level: 'warn', destination: process.stderr, pretty: true });
const policies = await policyRecords([path.join(packageRoot(), 'cli/demo/policies')], logger);
await writeRecording(recordingFile(), { policies, batches: excerpt });
const events = excerpt.reduce((sum, batch) => sum + batch.events.length, 0);
process.stdout.write(`${recordingFile()}: ${excerpt.length} batches, ${events} events\n`);
