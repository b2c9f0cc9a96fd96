/** The collector's thread: started by collector-thread.ts, ends when it is told to or when it fails. */
import { parentPort, workerData } from 'node:worker_threads';
import { appendThrough } from '../eventlog/embedded.ts';
import { PalisadeError } from '../runtime/errors.ts';
import { collect } from './collector.ts';
import type { CollectorCommand, CollectorMessage, CollectorWorkerData } from './collector-thread.ts';
import { PipelineProcesses } from './pipeline-processes.ts';

if (parentPort === null) throw new Error('collector-worker.ts runs as a worker thread only');
const parent = parentPort;
const post = (message: CollectorMessage): void => {
  parent.postMessage(message);
};
const { options, port } = workerData as CollectorWorkerData;
const stopping = new AbortController();
const processes = new PipelineProcesses();
parent.on('message', (command: CollectorCommand) => {
  if (command.kind === 'process') processes.add(command.hostPid);
  else stopping.abort();
});

try {
  await using log = appendThrough(port);
  await collect({
    options,
    processes,
    log,
    signal: stopping.signal,
    report: (event) => {
      post({ kind: 'report', event });
    },
  });
} catch (error) {
  if (!(error instanceof PalisadeError)) throw error;
  // Its class and fields do not cross; what a person reads does.
  const cause = error.cause instanceof Error ? error.cause.message : undefined;
  post({ kind: 'failed', code: error.code, message: error.message, retriable: error.retriable, cause });
} finally {
  // Else the thread would wait for messages for ever.
  parent.close();
}
