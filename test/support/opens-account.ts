import path from 'node:path';
import { EmbeddedEventLog } from '../../eventlog/embedded.ts';
import { dataLayout } from '../../cli/data-directory.ts';
import type { FlowHome } from './flow-home.ts';
import type { SteadyOpen } from './steady-opens.ts';

/** A span of which coverage says that nothing is known; CLOCK_BOOTTIME. */
export interface KnownGap {
  readonly reason: string;
  readonly fromNs: bigint;
  readonly toNs: bigint;
  /** How many events; `unknown` where nobody can know. */
  readonly lost: string;
}

/** What became of the files that were created in the folder of acts. */
export interface OpensAccount {
  /** How many alerts each file has in ClickHouse, by its name. */
  readonly alerts: ReadonlyMap<string, number>;
  /** Distinct ids of these alerts. */
  readonly ids: number;
  /** Files of which the log has the raw event. */
  readonly raw: ReadonlySet<string>;
  readonly gaps: readonly KnownGap[];
}

/** Compares what is stored everywhere. `up` has to run. */
export async function accountOfOpens(home: FlowHome): Promise<OpensAccount> {
  const rows = await home.rows<{ readonly resource: string; readonly times: string; readonly ids: string }>(
    `SELECT resource, count() AS times, uniqExact(id) AS ids FROM alerts WHERE startsWith(resource, '${home.acts}/') GROUP BY resource`,
  );
  const gaps = await home.rows<{
    readonly reason: string;
    readonly from_ns: string;
    readonly to_ns: string;
    readonly lost: string;
  }>(
    "SELECT gap.reason AS reason, toString(gap.from_time_ns) AS from_ns, toString(gap.to_time_ns) AS to_ns, ifNull(toString(gap.lost), 'unknown') AS lost FROM coverage ARRAY JOIN gaps AS gap",
  );
  return {
    alerts: new Map(rows.map((row) => [path.basename(row.resource), Number(row.times)])),
    ids: rows.reduce((sum, row) => sum + Number(row.ids), 0),
    raw: await rawOpens(home),
    gaps: gaps.map((gap) => ({
      reason: gap.reason,
      fromNs: BigInt(gap.from_ns),
      toNs: BigInt(gap.to_ns),
      lost: gap.lost,
    })),
  };
}

/** Whether coverage says that something may be missing when the file was created. */
export function isInGap(open: SteadyOpen, gaps: readonly KnownGap[]): boolean {
  return gaps.some((gap) => gap.reason === 'monitorAway' && open.afterNs >= gap.fromNs && open.beforeNs <= gap.toNs);
}

async function rawOpens(home: FlowHome): Promise<ReadonlySet<string>> {
  const names = new Set<string>();
  await using log = EmbeddedEventLog.openReadOnly({ directory: dataLayout(home.dataDirectory).log });
  const { signal } = new AbortController();
  for await (const record of log.read({ topics: ['raw-events'], from: 'start', follow: false, signal })) {
    if (record.topic !== 'raw-events' || record.value === undefined) continue;
    const { events, files, strings } = record.value;
    for (const event of events) {
      const bytes = strings[files[event.file]?.path ?? -1];
      const name = bytes === undefined ? '' : Buffer.from(bytes).toString();
      if (event.operation === 'open' && path.dirname(name) === home.acts) names.add(path.basename(name));
    }
  }
  return names;
}
