import path from 'node:path';
import process from 'node:process';
import { policyRecords } from '../cli/policy-records.ts';
import { packageRoot } from '../cli/package-root.ts';
import { pipeline } from '../cli/roles.ts';
import { CaptureEventLog } from '../eventlog/capture.ts';
import { MemoryEventLog } from '../eventlog/memory.ts';
import { ReplayLog } from '../eventlog/replay-log.ts';
import { runStages, type Stage } from '../eventlog/runner.ts';
import { createLogger } from '../runtime/logger.ts';
import { Metrics } from '../runtime/metrics.ts';
import { alertsSink, coverageSink } from '../sink/clickhouse.ts';
import type { Benchmark, Measurements } from './benchmark.ts';
import { buildCaptureFile } from './captures/bundled.ts';
import { writeRepeatedCapture } from './repeated-capture.ts';
import { RunningEngine } from './running-engine.ts';

/** Some seconds of work. */
const events = 1_000_000;
const demo = path.join(packageRoot(), 'cli/demo');

const captures = { story: path.join(demo, 'recording.avro'), build: buildCaptureFile() } as const;

/** The stages of `palisade replay` on a capture of `events` events, until the last alert is in ClickHouse. */
async function replayed(capture: string): Promise<Measurements> {
  await using engine = await RunningEngine.start();
  const file = path.join(engine.folder, 'long.avro');
  const written = await writeRepeatedCapture(capture, file, events);
  const sinks = [alertsSink(engine.client), coverageSink(engine.client)];
  const usage = process.cpuUsage();
  const seconds = await run(file, [pipeline({ keepsState: false }), ...sinks]);
  const { user, system } = process.cpuUsage(usage);
  const alerts = await engine.count('SELECT count() FROM alerts_stored');
  return { rate: written / seconds, alertShare: alerts / written, cpuPerEvent: (user + system) / written };
}

/** What reading and decoding the same capture takes, whatever is made of it. */
async function onlyRead(capture: string): Promise<Measurements> {
  await using engine = await RunningEngine.start();
  const file = path.join(engine.folder, 'long.avro');
  const written = await writeRepeatedCapture(capture, file, events);
  const reading = { name: 'reading', inputs: ['raw-events'], tables: [], outputs: [], state: [] } as const;
  const stage: Stage = {
    ...reading,
    createProcessor: () => ({
      restore: () => undefined,
      update: () => undefined,
      process: ({ value }) => (value === undefined ? [] : []),
    }),
  };
  return { rate: written / (await run(file, [stage])) };
}

async function run(file: string, stages: readonly Stage[]): Promise<number> {
  const logger = createLogger({ level: 'warn', destination: process.stderr, pretty: false });
  await using capture = await CaptureEventLog.open(file);
  const policies = await policyRecords([path.join(demo, 'policies')], logger);
  await using outputs = new MemoryEventLog({ retention: { ageMs: 0, bytes: 0, checkEveryMs: 100 } });
  const ended = new AbortController();
  await using log = new ReplayLog({
    capture,
    outputs,
    kept: stages.flatMap((stage) => ('prepare' in stage ? [stage.input] : [])),
    policies,
    onEnd: () => {
      ended.abort();
    },
  });
  const start = performance.now();
  await runStages(stages, log, { logger, metrics: new Metrics(), drainMs: 60_000 }, ended.signal);
  return (performance.now() - start) / 1000;
}

/** How fast history is judged again. */
export const replay: Benchmark = {
  trials: 3,
  variants: Object.fromEntries(
    Object.entries(captures).flatMap(([name, file]) => [
      [name, () => replayed(file)],
      [`${name}, only read`, () => onlyRead(file)],
    ]),
  ),
  figures: (results) =>
    Object.keys(captures).flatMap((name) => [
      {
        figure: `${name}, capture to ClickHouse`,
        unit: 'events/s',
        values: results(name, 'rate'),
        baseline: results(`${name}, only read`, 'rate'),
      },
      {
        figure: `${name}, events that alert`,
        unit: '%',
        values: results(name, 'alertShare').map((share) => share * 100),
        baseline: null,
      },
      {
        figure: `${name}, CPU without the engine`,
        unit: 'µs/event',
        values: results(name, 'cpuPerEvent'),
        baseline: null,
      },
    ]),
};
