/**
 * `stages.js DATA-DIRECTORY [--feed CAPTURE]`: the ordinary stages of `palisade up`, from raw events to ClickHouse, with the
 * engine's process beside, until SIGTERM or until whoever holds the other end of standard input is gone. With `--feed` a source
 * in the sensor's place copies the capture's topics into the log, from where it was left.
 */
import process from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { openClickHouse } from '../../cli/clickhouse.ts';
import { dataLayout, makeDataDirectory } from '../../cli/data-directory.ts';
import { flowStages } from '../../cli/roles.ts';
import { StopSignals } from '../../cli/stop-signals.ts';
import { capturedTopics } from '../../cli/captured-records.ts';
import { EmbeddedEventLog } from '../../eventlog/embedded.ts';
import { runStages } from '../../eventlog/runner.ts';
import type { SourceStage } from '../../eventlog/stage.ts';
import { createLogger } from '../../runtime/logger.ts';
import { Metrics } from '../../runtime/metrics.ts';
import { LogWatch } from './log-watch.ts';
import { ChaosStream } from './stream.ts';

/**
 * Records that are ahead of what is judged: the stages are always at work, in batches of several, and the stream does not become
 * longer than it must.
 */
const maxAhead = 4;
/** Between two looks at whether there is room for the next record; less than what one takes to be judged. */
const lookEveryMs = 2;

const { values, positionals } = parseArgs({ options: { feed: { type: 'string' } }, allowPositionals: true });
const [dataDirectory] = positionals;
if (dataDirectory === undefined) throw new Error('DATA-DIRECTORY is missing');

const orphaned = new AbortController();
process.stdin.resume().on('end', () => {
  orphaned.abort();
});
using signals = new StopSignals(() => undefined);
const logger = createLogger({ level: 'warn', pretty: true });
const layout = dataLayout(dataDirectory);
await makeDataDirectory(layout);
await using log = await EmbeddedEventLog.open({ directory: layout.log });
await using destination = await openClickHouse(layout.root, logger);
const sources = values.feed === undefined ? [] : [await feed(values.feed)];
await runStages(
  [...sources, ...flowStages(destination.client)],
  log,
  { logger, metrics: new Metrics() },
  AbortSignal.any([signals.signal, orphaned.signal]),
);
process.stdin.destroy();

async function feed(file: string): Promise<SourceStage> {
  const stream = await ChaosStream.read(file);
  return {
    name: 'feed',
    outputs: capturedTopics,
    async run(target, signal) {
      using watch = new LogWatch(layout.log);
      // Nothing else writes these topics: what is there was fed.
      for (let place = watch.state().fed; !signal.aborted;) {
        const { appended, judged } = watch.state();
        if (appended - judged < maxAhead) {
          await target.append([stream.at(place)]);
          place += 1;
        } else {
          // An abort only says that it ends here.
          await delay(lookEveryMs, undefined, { signal }).catch(() => undefined);
        }
      }
    },
  };
}
