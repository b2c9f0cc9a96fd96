import { storageError } from '../eventlog/storage-error.ts';
import type { EventLogError } from '../eventlog/errors.ts';
import type { SinkStage } from '../eventlog/stage.ts';
import { beginPrivateFile } from '../runtime/private-file.ts';
import { alertJsonLine } from './alert-json.ts';

/** A sink of alerts into a file, one a line, in their order. Disposing of it closes the file. */
export interface JsonLinesSink extends AsyncDisposable {
  readonly stage: SinkStage;
  /** Why the file could not be written any more: what came after was not. It ends with its last whole write. */
  readonly failure: EventLogError | undefined;
}

/**
 * Begins the file anew, for its owner alone. Once only: a range that came again would be written again, so it is for logs that
 * end with the process. Throws the system's error where the file cannot be made. `onFailure` is called once, where it cannot be
 * written any more (a full disk, a reader that has gone): trying again would help nobody, so it is for the caller to end the run.
 */
export async function jsonLinesSink(file: string, onFailure: () => void): Promise<JsonLinesSink> {
  const handle = await beginPrivateFile(file);
  let bytes = 0;
  let alerts = 0;
  let failure: EventLogError | undefined;
  return {
    stage: {
      name: 'json-lines',
      input: 'alerts',
      prepare(records) {
        const lines = records.flatMap((record) =>
          record.topic === 'alerts' && record.value !== undefined ? [`${alertJsonLine(record.value)}\n`] : [],
        );
        const text = Buffer.from(lines.join(''));
        return Promise.resolve(async () => {
          if (failure !== undefined) return;
          try {
            await handle.appendFile(text);
          } catch (cause) {
            // A part may be written. What can't be made shorter (a pipe, a device) ends in that part.
            await handle.truncate(bytes).catch(() => undefined);
            failure = storageError(cause, file, `writing the alerts failed after ${alerts} alerts, which the file has`);
            onFailure();
            return;
          }
          bytes += text.length;
          alerts += lines.length;
        });
      },
    },
    get failure() {
      return failure;
    },
    async [Symbol.asyncDispose]() {
      await handle.close();
    },
  };
}
