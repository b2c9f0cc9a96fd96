/** Makes the bundled capture of a build: builds a project in a container and keeps what it did. `npm run record:captures`. */
import { copyFile, mkdir, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import process from 'node:process';
import { recordContainer } from '../../cli/demo/record-container.ts';
import { writeRecording } from '../../cli/demo/recording.ts';
import { runThrowaway } from '../../cli/demo/throwaway-container.ts';
import { packageRoot } from '../../cli/package-root.ts';
import { policyRecords } from '../../cli/policy-records.ts';
import { createLogger } from '../../runtime/logger.ts';
import { buildCaptureFile, buildContainerName } from './bundled.ts';
import { joinBatches } from './join-batches.ts';
import { makeProject } from './project.ts';

/** On two busy cores it takes a minute. */
const buildTimeoutMs = 600_000;

/** This machine's own tools, read-only, beside the project. */
async function makeRoot(root: string): Promise<void> {
  for (const folder of ['etc', 'proc', 'dev', 'tmp', 'usr', 'project']) await mkdir(path.join(root, folder));
  for (const folder of ['bin', 'sbin', 'lib', 'lib64']) await symlink(`usr/${folder}`, path.join(root, folder));
  await writeFile(path.join(root, 'etc/hostname'), `${buildContainerName}\n`);
  // Without it the loader tries folder after folder, as no ordinary system does.
  await copyFile('/etc/ld.so.cache', path.join(root, 'etc/ld.so.cache'));
  await makeProject(path.join(root, 'project'));
}

const { signal } = new AbortController();
const batches = await recordContainer(buildContainerName, () =>
  runThrowaway({
    name: buildContainerName,
    makeRoot,
    command: ['/project/build'],
    mounts: [{ destination: '/usr', type: 'none', source: '/usr', options: ['bind', 'ro'] }],
    input: '',
    timeoutMs: buildTimeoutMs,
    signal,
  }),
);
const logger = createLogger({ level: 'warn', destination: process.stderr, pretty: true });
const policies = await policyRecords([path.join(packageRoot(), 'cli/demo/policies')], logger);
await writeRecording(buildCaptureFile(), { policies, batches: joinBatches(batches) });
