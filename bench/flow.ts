import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { ClickHouseClient } from '@clickhouse/client';
import { EmbeddedEventLog } from '../eventlog/embedded.ts';
import { connectClickHouse } from '../sink/clickhouse-client.ts';
import { findEngineAddress } from '../sink/engine-address.ts';
import { usageOfTree } from './process-usage.ts';
import { quantile, type Report } from './report.ts';
import { RunningUp } from './running-up.ts';

/** Acts a second at which latency is measured. */
const latencyRates = [1000, 20_000] as const;
/** Acts a second that are tried for the highest rate without a drop, rising until one drops. */
const lossRates = [20_000, 40_000, 60_000, 80_000, 100_000, 130_000, 160_000, 200_000] as const;
const latencySeconds = 10;
const lossSeconds = 5;
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

interface Load {
  readonly program: string;
  readonly quiet: string;
  readonly alerting: string;
  readonly policies: string;
  readonly folder: string;
}

/**
 * What the whole flow takes: from the act in the kernel until a SELECT returns the alert, and how many events a second
 * pass without a drop. The baseline of a latency is one empty SELECT in the same run, that of a rate what the load
 * reaches without a monitor.
 */
export async function flow(report: Report): Promise<void> {
  const load = await prepareLoad();
  try {
    for (const rate of latencyRates) await measureLatency(report, load, rate);
    await measureLossless(report, load);
  } finally {
    await rm(load.folder, { recursive: true, force: true });
  }
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
    metadata: { name: 'bench-flow' },
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

async function measureLatency(report: Report, load: Load, rate: number): Promise<void> {
  report.progress(`flow: ${rate} acts/s for ${latencySeconds} s …`);
  const latencies: Latencies = { select: [], topic: [], terminal: [] };
  await using up = await RunningUp.start({
    policies: load.policies,
    onAlertLine: (line) => {
      const updated = /"UpdatedTime":"([^"]+)"/u.exec(line)?.[1];
      if (line.includes('bench-flow') && updated !== undefined)
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

  const name = `${rate}/s`;
  const add = (figure: string, value: number, unit: string, baseline: number | null = null): void => {
    report.figure({ bench: 'flow', figure: `${figure} at ${name}`, value, unit, baseline });
  };
  for (const [place, values] of Object.entries(latencies) as [keyof Latencies, number[]][]) {
    add(`kernel to ${place} p50`, quantile(values, 0.5), 'ms', place === 'select' ? quantile(emptySelect, 0.5) : null);
    add(
      `kernel to ${place} p99`,
      quantile(values, 0.99),
      'ms',
      place === 'select' ? quantile(emptySelect, 0.99) : null,
    );
  }
  add('alerts by SELECT', latencies.select.length, 'alerts', result.alerts);
  add('acts', (result.opens + result.alerts + result.execs) / result.seconds, 'acts/s', rate);
  add('events received', received, 'events');
  add('events dropped', dropped, 'events');
  add('CPU of up and its engine', (after.cpuSeconds - before.cpuSeconds) / result.seconds, 'cores');
  add('memory of up and its engine', after.residentBytes / 2 ** 20, 'MiB');
}

async function measureLossless(report: Report, load: Load): Promise<void> {
  let highest = 0;
  let bare = 0;
  for (const rate of lossRates) {
    report.progress(`flow: is anything dropped at ${rate} acts/s? …`);
    const alone = await runLoad(load, rate, 1);
    await using up = await RunningUp.start({ policies: load.policies, onAlertLine: () => undefined });
    const client = readerOf(up);
    const result = await runLoad(load, rate, lossSeconds);
    await delay(settleMs);
    const { dropped } = await coverageOf(client);
    await client.close();
    if (dropped > 0) break;
    highest = (result.opens + result.alerts + result.execs) / result.seconds;
    bare = (alone.opens + alone.alerts + alone.execs) / alone.seconds;
    // The load itself no longer keeps up: a higher rate is the same rate.
    if (highest < rate * 0.9) break;
  }
  report.figure({
    bench: 'flow',
    figure: 'acts through up without a drop',
    value: highest,
    unit: 'acts/s',
    baseline: bare,
  });
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
    query: `SELECT id, toString(time_unix_ns) AS ns FROM alerts WHERE time_unix_ns > ${sinceNs} AND policy_name = 'bench-flow'`,
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
    if (record.topic === 'alerts' && record.value?.policyName === 'bench-flow')
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
