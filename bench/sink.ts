import { createHash } from 'node:crypto';
import path from 'node:path';
import process from 'node:process';
import { packageRoot } from '../cli/package-root.ts';
import { policyRecords } from '../cli/policy-records.ts';
import { pipeline } from '../cli/roles.ts';
import type { OutputRecord } from '../eventlog/event-log.ts';
import { MemoryEventLog } from '../eventlog/memory.ts';
import { runStages } from '../eventlog/runner.ts';
import { createLogger } from '../runtime/logger.ts';
import { Metrics } from '../runtime/metrics.ts';
import type { Alert } from '../schemas/generated.ts';
import { alertsSink } from '../sink/clickhouse.ts';
import type { Benchmark, Measurements } from './benchmark.ts';
import { rawRecord, repeatedBatches } from './repeated-capture.ts';
import { RunningEngine } from './running-engine.ts';

const rows = 100_000;
/** Of the story's alerts so many are different; they come again as those of other events. */
const differentRows = 2000;
/** Of every hundred events of the story some alert. */
const eventsPerRow = 100;
const demo = path.join(packageRoot(), 'cli/demo');
const logger = createLogger({ level: 'warn', destination: process.stderr, pretty: false });

/** Alerts of the bundled story under the bundled policies. */
async function alertsOfStory(count: number): Promise<readonly Alert[]> {
  const processor = pipeline({ keepsState: false }).createProcessor(0);
  for (const policy of await policyRecords([path.join(demo, 'policies')], logger)) processor.update(policy);
  const alerts: Alert[] = [];
  let offset = 0;
  for await (const batch of repeatedBatches(path.join(demo, 'recording.avro'), count * eventsPerRow)) {
    for (const output of processor.process(rawRecord(batch, offset++))) {
      if (output.topic === 'alerts' && 'value' in output && output.value !== undefined) alerts.push(output.value);
    }
    if (alerts.length >= count) return alerts.slice(0, count);
  }
  throw new Error(`the story gave ${alerts.length} alerts, ${count} were wanted`);
}

/** As many as are wanted, each with an id and a time of its own. */
async function manyAlerts(): Promise<readonly OutputRecord[]> {
  const different = await alertsOfStory(differentRows);
  return Array.from({ length: rows / differentRows }, (_, round) =>
    different.map((alert): OutputRecord => {
      const id = createHash('sha256').update(`${round} ${alert.id}`).digest('hex').slice(0, 32);
      const value = { ...alert, id, timeUnixNs: alert.timeUnixNs + BigInt(round) * 10n ** 12n };
      return { topic: 'alerts', key: alert.nodeId, value };
    }),
  ).flat();
}

/** From a log in memory into the table, by the stage and the runner that `palisade up` has. */
async function inserted(): Promise<Measurements> {
  await using engine = await RunningEngine.start();
  await using log = new MemoryEventLog();
  await log.append(await manyAlerts());
  const ended = new AbortController();
  // What is there by then is drained.
  ended.abort();
  const start = performance.now();
  const usage = process.cpuUsage();
  await runStages([alertsSink(engine.client)], log, { logger, metrics: new Metrics(), drainMs: 300_000 }, ended.signal);
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(usage);
  const stored = await engine.count('SELECT count() FROM alerts_stored');
  if (stored !== rows) throw new Error(`${rows} rows were inserted, ${stored} are stored`);
  // What the engine needs for the same rows when it has them already.
  await engine.client.command({ query: 'CREATE TABLE copy AS alerts_stored' });
  const columns = 'SELECT * FROM alerts_stored';
  const copyStart = performance.now();
  await engine.client.command({ query: `INSERT INTO copy ${columns}` });
  const copySeconds = (performance.now() - copyStart) / 1000;
  return { rate: rows / seconds, copyRate: rows / copySeconds, cpuPerRow: (user + system) / rows };
}

/** How many alerts a second go into the embedded ClickHouse, through its own process. */
export const sink: Benchmark = {
  trials: 3,
  variants: { inserted },
  figures: (results) => [
    {
      figure: 'alerts from a log into the engine',
      unit: 'rows/s',
      values: results('inserted', 'rate'),
      baseline: results('inserted', 'copyRate'),
    },
    { figure: 'CPU without the engine', unit: 'µs/row', values: results('inserted', 'cpuPerRow'), baseline: null },
  ],
};
