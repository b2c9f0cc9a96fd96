import { finished } from 'node:stream/promises';
import type { SinkStage } from '../eventlog/stage.ts';
import { beginPrivateFile } from '../runtime/private-file.ts';
import { alertJsonLine } from './alert-json.ts';

/** A sink of alerts into a file, one a line, in their order. Disposing of it writes what waits. */
export interface JsonLinesSink extends AsyncDisposable {
  readonly stage: SinkStage;
}

/**
 * Begins the file anew, for its owner alone. Once only: a range that came again would be written again, so it is for logs that
 * end with the process. Throws the system's error where the file cannot be made; `write` does where the disk is full.
 */
export async function jsonLinesSink(file: string): Promise<JsonLinesSink> {
  const output = (await beginPrivateFile(file)).createWriteStream();
  // Each write waits for its own end, and that is where a failure is thrown; without a listener it would end the process.
  output.on('error', () => undefined);
  return {
    stage: {
      name: 'json-lines',
      input: 'alerts',
      async write(records) {
        const lines = records.map((record) =>
          record.topic === 'alerts' && record.value !== undefined ? `${alertJsonLine(record.value)}\n` : '',
        );
        await new Promise<void>((resolve, reject) => {
          output.write(lines.join(''), (error) => {
            if (error) reject(error);
            else resolve();
          });
        });
      },
    },
    async [Symbol.asyncDispose]() {
      if (output.destroyed) return;
      output.end();
      await finished(output);
    },
  };
}
