import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { ClickHouseClient } from '@clickhouse/client';
import { EmbeddedEventLog } from '../eventlog/embedded.ts';
import { connectClickHouse } from '../sink/clickhouse-client.ts';
import { findEngineAddress } from '../sink/engine-address.ts';
import { usageOfTree } from './process-usage.ts';
import type { Benchmark, Figure, Measurements, Results } from './benchmark.ts';
import { quantile } from './report.ts';
import { RunningUp } from './running-up.ts';

/** Acts a second at which latency is measured. */
const latencyRates = [1000, 20_000] as const;
const latencySeconds = 10;
/** One act in so many raises an alert, and one in so many is an exec instead of an open. */
const alertEvery = 100;
const execEvery = 50;
/** Between two looks by SELECT. Part of what is measured: nobody sees a row before asking for it. */
const selectEveryMs = 20;
/** After the load has ended, alerts may come for so long. */
const settleMs = 3000;
const root = path.dirname(path.dirname(import.meta.dirname));

/** When each alert of the load was seen, after the act, in milliseconds. */
interface Latencies {
  readonly select: number[];
  readonly topic: number[];
  readonly terminal: number[];
}

const places = ['topic', 'terminal', 'select'] as const;

interface Load {
  readonly program: string;
  readonly quiet: string;
  readonly alerting: string;
  readonly policies: string;
  readonly folder: string;
}

async function prepareLoad(): Promise<Load> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'palisade-load-'));
  const load = {
    folder,
    program: path.join(folder, 'load'),
    quiet: path.join(folder, 'quiet'),
    alerting: path.join(folder, 'alerting'),
    policies: path.join(folder, 'policy.yaml'),
  };
  await promisify(execFile)('cc', ['-O2', '-o', load.program, path.join(root, 'bench/programs/load.c')]);
  await writeFile(load.quiet, 'quiet\n');
  await writeFile(load.alerting, 'alerting\n');
  const policy = {
    apiVersion: 'security.kubearmor.com/v1',
    kind: 'KubeArmorHostPolicy',
    metadata: { name: 'bench-latency' },
    spec: {
      nodeSelector: { matchLabels: { 'kubearmor.io/hostname': '*' } },
      severity: 5,
      file: { matchPaths: [{ path: load.alerting }] },
      action: 'Audit',
    },
  };
  // JSON is YAML.
  await writeFile(load.policies, JSON.stringify(policy));
  return load;
}

interface LoadResult {
  readonly opens: number;
  readonly alerts: number;
  readonly execs: number;
  readonly seconds: number;
}

async function runLoad(load: Load, rate: number, seconds: number): Promise<LoadResult> {
  const values = [rate, seconds, load.quiet, load.alerting, alertEvery, '/bin/true', execEvery].map(String);
  const child = spawn(load.program, values, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  const result = JSON.parse(await text(child.stdout)) as LoadResult;
  await ended;
  return result;
}

/** Wall clock in milliseconds, finer than Date.now(). */
function nowMs(): number {
  return performance.timeOrigin + performance.now();
}

async function measureAt(rate: number): Promise<Measurements> {
  const load = await prepareLoad();
  try {
    return await measureLatency(load, rate);
  } finally {
    await rm(load.folder, { recursive: true, force: true });
  }
}

async function measureLatency(load: Load, rate: number): Promise<Measurements> {
  const latencies: Latencies = { select: [], topic: [], terminal: [] };
  await using up = await RunningUp.start({
    policies: load.policies,
    onAlertLine: (line) => {
      const updated = /"UpdatedTime":"([^"]+)"/u.exec(line)?.[1];
      if (line.includes('bench-latency') && updated !== undefined)
        latencies.terminal.push(nowMs() - parseMicroseconds(updated));
    },
  });
  const client = readerOf(up);
  const stop = new AbortController();
  const tail = tailAlerts(up, latencies, stop.signal);
  const emptySelect = await timeEmptySelect(client);
  const polling = pollAlerts(client, latencies, stop.signal);
  const before = usageOfTree(up.pid);
  const result = await runLoad(load, rate, latencySeconds);
  const after = usageOfTree(up.pid);
  await delay(settleMs);
  stop.abort();
  await Promise.all([tail, polling]);
  const { dropped, received } = await coverageOf(client);
  await client.close();
  return {
    ...Object.fromEntries(
      places.flatMap((place) => [
        [`${place} p50`, quantile(latencies[place], 0.5)],
        [`${place} p99`, quantile(latencies[place], 0.99)],
      ]),
    ),
    emptySelectP50: quantile(emptySelect, 0.5),
    emptySelectP99: quantile(emptySelect, 0.99),
    acts: (result.opens + result.alerts + result.execs) / result.seconds,
    received,
    dropped,
    cores: (after.cpuSeconds - before.cpuSeconds) / result.seconds,
    memory: after.residentBytes / 2 ** 20,
  };
}

function figuresAt(rate: number, results: Results): readonly Figure[] {
  const name = variantOf(rate);
  const of = (measurement: string): readonly number[] => results(name, measurement);
  const figure = (what: string, unit: string, measurement: string, baseline: readonly number[] | null): Figure => ({
    figure: `${what} at ${name}`,
    unit,
    values: of(measurement),
    baseline,
  });
  return [
    ...places.flatMap((place) =>
      (['p50', 'p99'] as const).map((share) =>
        figure(
          `kernel to ${place} ${share}`,
          'ms',
          `${place} ${share}`,
          place === 'select' ? of(share === 'p50' ? 'emptySelectP50' : 'emptySelectP99') : null,
        ),
      ),
    ),
    figure('acts', 'acts/s', 'acts', [rate]),
    figure('events received', 'events', 'received', null),
    figure('events dropped', 'events', 'dropped', null),
    figure('CPU of up and its engine', 'cores', 'cores', null),
    figure('memory of up and its engine', 'MiB', 'memory', null),
  ];
}

/** How long from an act in the kernel to its alert: in the topic, on the terminal, and where a SELECT finds it. */
export const latency: Benchmark = {
  trials: 3,
  variants: Object.fromEntries(latencyRates.map((rate) => [variantOf(rate), () => measureAt(rate)])),
  figures: (results) => latencyRates.flatMap((rate) => figuresAt(rate, results)),
  missing: () => {
    if (process.getuid?.() !== 0) return 'it needs root, to watch the kernel';
    return existsSync('/sys/kernel/btf/vmlinux') ? undefined : 'it needs a kernel with BTF';
  },
};

function variantOf(rate: number): string {
  return `${rate} acts/s`;
}

function readerOf(up: RunningUp): ClickHouseClient {
  const address = findEngineAddress(up.dataDirectory);
  if (address === undefined) throw new Error('palisade up has no engine');
  return connectClickHouse(address);
}

/** As a person would ask: through the confined way, with only what is new enough to be news. */
async function recentAlerts(client: ClickHouseClient, sinceMs: number): Promise<readonly { id: string; ns: string }[]> {
  const sinceNs = BigInt(Math.floor(sinceMs)) * 1_000_000n;
  const answer = await client.query({
    query: `SELECT id, toString(time_unix_ns) AS ns FROM alerts WHERE time_unix_ns > ${sinceNs} AND policy_name = 'bench-latency'`,
    format: 'JSONEachRow',
  });
  return answer.json();
}

/** Looks that find nothing, before the load: what asking alone costs. */
async function timeEmptySelect(client: ClickHouseClient): Promise<number[]> {
  const times: number[] = [];
  for (let look = 0; look < 50; look++) {
    const startedMs = nowMs();
    await recentAlerts(client, startedMs);
    times.push(nowMs() - startedMs);
  }
  return times;
}

async function pollAlerts(client: ClickHouseClient, latencies: Latencies, signal: AbortSignal): Promise<void> {
  const known = new Set<string>();
  while (!signal.aborted) {
    // A window of some seconds: rows come out of order, and looking at all of them each time would measure the window.
    const rows = await recentAlerts(client, nowMs() - 4000);
    const seenMs = nowMs();
    for (const { id, ns } of rows) {
      if (known.has(id)) continue;
      known.add(id);
      latencies.select.push(seenMs - Number(ns) / 1e6);
    }
    await delay(selectEveryMs);
  }
}

async function tailAlerts(up: RunningUp, latencies: Latencies, signal: AbortSignal): Promise<void> {
  await using log = EmbeddedEventLog.openReadOnly({ directory: path.join(up.dataDirectory, 'log') });
  for await (const record of log.read({ topics: ['alerts'], from: 'end', follow: true, signal })) {
    if (record.topic === 'alerts' && record.value?.policyName === 'bench-latency')
      latencies.topic.push(nowMs() - Number(record.value.timeUnixNs) / 1e6);
  }
}

/** The session's sums so far. */
async function coverageOf(client: ClickHouseClient): Promise<{ readonly dropped: number; readonly received: number }> {
  const answer = await client.query({
    query:
      'SELECT arraySum(arrayMap(o -> o.dropped, operations)) AS dropped, arraySum(arrayMap(c -> c.received, cpus)) AS received' +
      ' FROM coverage ORDER BY to_time DESC LIMIT 1',
    format: 'JSONEachRow',
  });
  const [row] = await answer.json<{ readonly dropped: string | number; readonly received: string | number }>();
  if (row === undefined) throw new Error('no coverage has been stored');
  return { dropped: Number(row.dropped), received: Number(row.received) };
}

/** `2025-12-16T05:37:19.127331Z` in milliseconds since 1970, with its microseconds. */
function parseMicroseconds(time: string): number {
  const microseconds = Number(/\.(\d{6})Z$/u.exec(time)?.[1] ?? 0);
  return Math.floor(Date.parse(time) / 1000) * 1000 + microseconds / 1000;
}
