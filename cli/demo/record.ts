/** Makes the bundled recording: plays the demo's story in a container and keeps what it did. `npm run record:captures`. */
import path from 'node:path';
import process from 'node:process';
import { createLogger } from '../../runtime/logger.ts';
import { packageRoot } from '../package-root.ts';
import { policyRecords } from '../policy-records.ts';
import { playStory } from './container.ts';
import { recordContainer } from './record-container.ts';
import { recordingFile, writeRecording } from './recording.ts';
import { demoContainerName } from './story.ts';

const { signal } = new AbortController();
const batches = await recordContainer(demoContainerName, () => playStory({ merged: true, signal }));
const logger = createLogger({ level: 'warn', destination: process.stderr, pretty: true });
const policies = await policyRecords([path.join(packageRoot(), 'cli/demo/policies')], logger);
await writeRecording(recordingFile(), { policies, batches });
