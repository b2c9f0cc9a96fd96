/**
 * The collector in a process of its own, in its thread, on an embedded log: to be killed, or to be told to stop by SIGTERM.
 * Arguments: JSON of CollectorOptions, directory of the log.
 */
import { collectorThread } from '../../collector/collector-thread.ts';
import type { CollectorOptions } from '../../collector/collector.ts';
import { EmbeddedEventLog } from '../../eventlog/embedded.ts';
import { createLogger } from '../../runtime/logger.ts';

const [, , options, directory] = process.argv;
if (options === undefined || directory === undefined) throw new Error('usage: collector-process OPTIONS LOG');
const stopping = new AbortController();
process.on('SIGTERM', () => {
  stopping.abort();
});
await using log = await EmbeddedEventLog.open({ directory });
const stage = collectorThread(JSON.parse(options) as CollectorOptions, {
  createAppendPort: () => log.createAppendPort(),
  logger: createLogger({ level: 'warn' }),
});
await stage.run(log, stopping.signal);
