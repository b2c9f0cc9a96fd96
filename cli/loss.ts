import { connectClickHouse, type ClickHouseAddress } from '../sink/clickhouse-client.ts';
import { exitCodes, type ExitCode } from './exit-codes.ts';
import {
  isComplete,
  lossJson,
  lossText,
  stretchesWithin,
  type LossReport,
  type UnknownStretch,
} from './loss-report.ts';
import { oneOf, queryRows } from './query-rows.ts';
import { withEngine, type EngineChoice } from './with-engine.ts';

/**
 * The last moment that is asked about where none is given, before now: a collector tells its figures once a second, and the
 * sink takes a moment.
 */
const settledMs = 10_000;
/** Unknown stretches shown at most: a person reads a few, and a program can ask for shorter spans. */
const maxStretches = 10_000;

export interface LossOptions extends EngineChoice {
  /** Unix ns. Default: the first coverage of any of the nodes. */
  readonly fromNs: bigint | undefined;
  /** Unix ns. Default: some seconds ago. */
  readonly toNs: bigint | undefined;
  /** The nodes that must be covered. Empty: all that were ever watched. */
  readonly nodes: readonly string[];
  readonly nowMs: number;
  readonly json: boolean;
  readonly write: (text: string) => void;
}

/** The last moment, Unix ns, of which all can be stored at `nowMs`. */
export function settledMoment(nowMs: number): bigint {
  return BigInt(Math.round(nowMs - settledMs)) * 1_000_000n;
}

/** Says whether a span of time is complete, or from when to when what happened is unknown, and why. */
export async function loss(options: LossOptions): Promise<ExitCode> {
  const report = await withEngine(options, (address) => askLoss(address, options));
  options.write(options.json ? lossJson(report) : lossText(report));
  return isComplete(report) ? exitCodes.done : exitCodes.failed;
}

interface NodeRow {
  readonly node_id: string;
  readonly first_ns: string;
}

interface LossRow {
  readonly node_id: string;
  readonly from_ns: string;
  readonly to_ns: string;
  readonly reason: string;
  readonly lost: string | number | null;
  readonly detail: string;
}

async function askLoss(address: ClickHouseAddress, options: LossOptions): Promise<LossReport> {
  const client = connectClickHouse(address);
  try {
    // The first moment that is covered: the end of a first record, as the view has it.
    const watched = await queryRows<NodeRow>(client, address.url, {
      query: `SELECT node_id, toString(toUnixTimestamp64Nano(min(to_time))) AS first_ns
        FROM coverage WHERE origin = 'live' AND session != 0 GROUP BY node_id ORDER BY node_id`,
    });
    const known = new Map(watched.map((row) => [row.node_id, BigInt(row.first_ns)]));
    const nodes = options.nodes.length > 0 ? options.nodes : [...known.keys()];
    const toNs = options.toNs ?? settledMoment(options.nowMs);
    const firsts = nodes.flatMap((node) => known.get(node) ?? []);
    const first = firsts.reduce((earliest, each) => (each < earliest ? each : earliest), toNs);
    const fromNs = options.fromNs ?? first;
    const named = oneOf('node_id', 'node', nodes);
    const rows = await queryRows<LossRow>(client, address.url, {
      query: `SELECT node_id, reason, lost, detail,
          toString(toUnixTimestamp64Nano(from_time)) AS from_ns, toString(toUnixTimestamp64Nano(to_time)) AS to_ns
        FROM loss
        WHERE toUnixTimestamp64Nano(from_time) <= {to:Int64} AND toUnixTimestamp64Nano(to_time) >= {from:Int64}
          AND ${named.condition}
        ORDER BY from_time LIMIT ${maxStretches}`,
      query_params: { from: fromNs.toString(), to: toNs.toString(), ...named.parameters },
    });
    const unseen = nodes.filter((node) => !known.has(node)).map((node) => neverWatched(node, fromNs, toNs));
    const unknown = stretchesWithin([...rows.map(stretchOf), ...unseen], fromNs, toNs);
    return { fromNs, toNs, nodes, unknown, isCut: rows.length === maxStretches };
  } finally {
    await client.close();
  }
}

/** A node that was asked for by name, and of which there is no live coverage at all. */
function neverWatched(nodeId: string, fromNs: bigint, toNs: bigint): UnknownStretch {
  return { nodeId, fromNs, toNs, reason: 'notCovered', lost: undefined, detail: 'no coverage of this node is stored' };
}

function stretchOf(row: LossRow): UnknownStretch {
  return {
    nodeId: row.node_id,
    fromNs: BigInt(row.from_ns),
    toNs: BigInt(row.to_ns),
    reason: row.reason,
    lost: row.lost === null ? undefined : Number(row.lost),
    detail: row.detail,
  };
}
