import { once } from 'node:events';
import { Worker, type MessagePort } from 'node:worker_threads';
import type { SourceStage } from '../eventlog/stage.ts';
import { PalisadeError, errorCodes } from '../runtime/errors.ts';
import type { Logger } from '../runtime/logger.ts';
import type { CollectorOptions } from './collector.ts';
import type { CollectorEvent } from './collector-session.ts';
import { PipelineProcesses } from './pipeline-processes.ts';

/** To the thread: what it works with. `port` is transferred. */
export interface CollectorWorkerData {
  readonly options: CollectorOptions;
  readonly port: MessagePort;
}

/** To the thread, later. */
export type CollectorCommand =
  | { readonly kind: 'stop' }
  /** A process of the pipeline, in the initial pid namespace. */
  | { readonly kind: 'process'; readonly hostPid: number };

/** The collector as a stage, in a thread of its own. */
export interface CollectorThread extends SourceStage {
  /**
   * Leaves out the file and network acts of another process of the pipeline; never those of its children. At any time: what
   * is told before `run` is known to the thread when it starts.
   */
  addProcess(hostPid: number): void;
}

/** From the thread. */
export type CollectorMessage =
  | { readonly kind: 'report'; readonly event: CollectorEvent }
  /** It ends with this. Errors lose their class on the way between threads. */
  | {
      readonly kind: 'failed';
      readonly code: string;
      readonly message: string;
      readonly retriable: boolean;
      readonly cause: unknown;
    };

/**
 * The collector as a stage in a thread of its own, so that nothing else in the process keeps it from reading the ring.
 * `createAppendPort` is the log's: what the thread appends goes there and not through `run`'s log.
 */
export function collectorThread(
  options: CollectorOptions,
  dependencies: { readonly createAppendPort: () => MessagePort; readonly logger: Logger },
): CollectorThread {
  const processes = new PipelineProcesses();
  return {
    name: 'collector',
    outputs: ['raw-events'],
    addProcess(hostPid) {
      processes.add(hostPid);
    },
    async run(_log, signal) {
      const port = dependencies.createAppendPort();
      const workerData: CollectorWorkerData = { options, port };
      const worker = new Worker(new URL('./collector-worker.js', import.meta.url), {
        workerData,
        transferList: [port],
      });
      let failure: Error | undefined;
      worker.on('message', (message: CollectorMessage) => {
        if (message.kind === 'report') {
          const { level, message: text, fields } = message.event;
          dependencies.logger[level](fields, text);
        } else {
          failure = errorOf(message);
        }
      });
      worker.on('error', (error) => {
        failure = error instanceof Error ? error : new Error(String(error));
      });
      const tell = (command: CollectorCommand): void => {
        worker.postMessage(command);
      };
      processes.handTo((hostPid) => {
        tell({ kind: 'process', hostPid });
      });
      const stop = (): void => {
        tell({ kind: 'stop' });
      };
      if (signal.aborted) stop();
      else signal.addEventListener('abort', stop, { once: true });
      await once(worker, 'exit');
      signal.removeEventListener('abort', stop);
      if (failure !== undefined) throw failure;
    },
  };
}

function errorOf(message: Extract<CollectorMessage, { kind: 'failed' }>): Error {
  const code = errorCodes.find((known) => known === message.code);
  if (code === undefined) return new Error(message.message, { cause: message.cause });
  return new PalisadeError(code, message.message, { cause: message.cause, retriable: message.retriable });
}
