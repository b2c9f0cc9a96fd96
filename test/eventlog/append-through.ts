import assert from 'node:assert';
import { parentPort, workerData, type MessagePort } from 'node:worker_threads';
import { appendThrough } from '../../eventlog/embedded.ts';
import { PalisadeError } from '../../runtime/errors.ts';
import { event } from './toy.ts';

/* A thread that appends through the port it is given, and once more whenever it is told to. */
assert(parentPort !== null);
const parent = parentPort;
const { port, count } = workerData as { readonly port: MessagePort; readonly count: number };
const log = appendThrough(port);
for (let place = 0; place < count; place++) await log.append([event('there', String(place))]);
parent.on('message', () => {
  log.append([event('there', 'once more')]).then(
    () => {
      parent.postMessage('appended');
    },
    (error: unknown) => {
      parent.postMessage(error instanceof PalisadeError ? error.code : String(error));
    },
  );
});
parent.postMessage('appended');
