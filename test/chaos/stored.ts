import type { ClickHouseClient } from '@clickhouse/client';
import { connectClickHouse } from '../../sink/clickhouse-client.ts';
import { findEngineAddress } from '../../sink/engine-address.ts';
import { rowsOf } from '../support/engine.ts';
import type { LogState } from './log-watch.ts';

/** What came of a log, as a person finds it. */
export interface Stored {
  /** Id → digest of all columns, of the view `alerts`. */
  readonly alerts: ReadonlyMap<string, string>;
  /** Rows of that view beyond one an id. */
  readonly doubled: number;
  /** View → its rows. */
  readonly views: Readonly<Record<string, number>>;
  /** Digests of the rows of `coverage`, in order. */
  readonly coverage: readonly string[];
  /** Alerts by policy, severity, action and result, of the view. */
  readonly byPolicy: readonly string[];
  /** Records of the topics. A sink may hide a double that was published. */
  readonly published: { readonly alerts: number; readonly coverage: number; readonly deadLetters: number };
}

/** The views that people ask. */
const views = ['alerts', 'coverage', 'coverage_gaps', 'loss'] as const;

/** Asks the running engine of a data directory, with the rights of a reader. */
export async function storedIn(dataDirectory: string, state: LogState): Promise<Stored> {
  const address = findEngineAddress(dataDirectory);
  if (address === undefined) throw new Error(`no engine runs on ${dataDirectory}`);
  await using stack = new AsyncDisposableStack();
  const client = connectClickHouse(address);
  stack.defer(() => client.close());
  const counts: Record<string, number> = {};
  for (const view of views) counts[view] = await countOf(client, view);
  const { alerts, doubled } = await alertsOf(client);
  return {
    alerts,
    doubled,
    views: counts,
    coverage: (await rowsOf<{ digest: string }>(client, 'SELECT toString(cityHash64(*)) AS digest FROM coverage'))
      .map(({ digest }) => digest)
      .sort(),
    byPolicy: (
      await rowsOf<Record<string, string>>(
        client,
        'SELECT policy_name, severity, action, result, toString(count()) AS alerts FROM alerts GROUP BY ALL ORDER BY ALL',
      )
    ).map((row) => JSON.stringify(row)),
    published: { alerts: state.alerts.published, coverage: state.coverage.published, deadLetters: state.deadLetters },
  };
}

async function countOf(client: ClickHouseClient, view: string): Promise<number> {
  const [row] = await rowsOf<{ rows: string }>(client, `SELECT toString(count()) AS rows FROM ${view}`);
  return Number(row?.rows);
}

/** Node by node: a reader's answer is bounded. */
async function alertsOf(client: ClickHouseClient): Promise<Pick<Stored, 'alerts' | 'doubled'>> {
  const alerts = new Map<string, string>();
  let doubled = 0;
  const nodes = await rowsOf<{ node_id: string }>(client, 'SELECT DISTINCT node_id FROM alerts ORDER BY node_id');
  for (const { node_id: node } of nodes) {
    const query = `SELECT id, toString(cityHash64(*)) AS digest FROM alerts WHERE node_id = '${node}'`;
    for (const { id, digest } of await rowsOf<{ id: string; digest: string }>(client, query)) {
      if (alerts.has(id)) doubled += 1;
      alerts.set(id, digest);
    }
  }
  return { alerts, doubled };
}

/** How a run that was disturbed differs from one that was not. */
export interface Verdict {
  readonly expected: number;
  readonly stored: number;
  /** Expected alerts that are not stored, or not as they should be. */
  readonly lost: number;
  readonly doubled: number;
  /** Each difference as a sentence; empty where there is none. */
  readonly problems: readonly string[];
}

/** Compares sets and counts. */
export function verdictOf(expected: Stored, stored: Stored): Verdict {
  const problems: string[] = [];
  let lost = 0;
  for (const [id, digest] of expected.alerts) if (stored.alerts.get(id) !== digest) lost += 1;
  const unexpected = [...stored.alerts.keys()].filter((id) => !expected.alerts.has(id)).length;
  if (lost > 0) problems.push(`${lost} expected alerts are missing or differ`);
  if (unexpected > 0) problems.push(`${unexpected} alerts are not expected`);
  if (stored.doubled > 0) problems.push(`${stored.doubled} alerts are shown again`);
  const rest = ['views', 'coverage', 'byPolicy', 'published'] as const;
  for (const part of rest) {
    const [should, is] = [JSON.stringify(expected[part]), JSON.stringify(stored[part])];
    if (should === is) continue;
    problems.push(`${part} should be ${should.slice(0, maxShown)} and is ${is.slice(0, maxShown)}`);
  }
  if (expected.doubled > 0) problems.push(`${expected.doubled} alerts are shown again even by the undisturbed run`);
  return { expected: expected.alerts.size, stored: stored.alerts.size, lost, doubled: stored.doubled, problems };
}

/** Characters of a difference that are shown. */
const maxShown = 500;
