/**
 * The collector in a process of its own, on a log that never answers: it says `appending` on stdout when it is given the first
 * batch, and waits for good. Argument: JSON of CollectorOptions.
 */
import { collectorStage, type CollectorOptions } from '../../collector/collector.ts';
import type { EventLog } from '../../eventlog/event-log.ts';

const [, , options] = process.argv;
if (options === undefined) throw new Error('usage: held-collector OPTIONS');
const append = (): Promise<void> => {
  process.stdout.write('appending\n');
  return new Promise(() => undefined);
};
const stage = collectorStage(JSON.parse(options) as CollectorOptions, () => undefined);
await stage.run({ append } as unknown as EventLog, new AbortController().signal);
