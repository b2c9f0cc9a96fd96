import { printable } from '../runtime/printable.ts';
import { jsonText } from './json-text.ts';

/** A row of the view `loss`: a stretch of a node's time in which something may have happened unseen. Times are Unix ns. */
export interface UnknownStretch {
  /** Empty: no node was ever watched. */
  readonly nodeId: string;
  readonly fromNs: bigint;
  readonly toNs: bigint;
  /** A gap's reason, or `notCovered`. */
  readonly reason: string;
  /** Events; `undefined` where nobody can know. */
  readonly lost: number | undefined;
  readonly detail: string;
}

/** What is known of a span of time. */
export interface LossReport {
  readonly fromNs: bigint;
  readonly toNs: bigint;
  /** The nodes that had to be covered. Not empty where the report says complete. */
  readonly nodes: readonly string[];
  readonly unknown: readonly UnknownStretch[];
  /** There are more unknown stretches than are given. */
  readonly isCut: boolean;
}

/** The end of time in the view `loss`: what lasts until then has no end yet. */
const endOfTimeNs = 2n ** 63n - 1n;

/** Longest text of a gap that is shown: it may hold bytes that a record could not be read from. */
const maxDetailCharacters = 200;

/** In words, to follow "because". */
const becauseOf: Readonly<Record<string, string>> = {
  notCovered: 'nothing proves that it was watched',
  monitorAway: 'no monitor was attached',
  ringFull: "the kernel's ring was full",
  ringLost: 'what was in the ring was lost',
  recursion: 'the kernel skipped programs that were running already',
  deadLetter: 'a record could not be read or stored',
  retention: 'records were deleted before they were read',
};

/**
 * The unknown stretches that lie in `[fromNs, toNs]`, cut to it, by node and time. Touching at one moment is not lying in it,
 * but for stretches of no length.
 */
export function stretchesWithin(
  stretches: readonly UnknownStretch[],
  fromNs: bigint,
  toNs: bigint,
): readonly UnknownStretch[] {
  return stretches
    .filter((each) => (each.fromNs < toNs && each.toNs > fromNs) || (each.fromNs === each.toNs && isIn(each.fromNs)))
    .map((each) => ({
      ...each,
      fromNs: each.fromNs < fromNs ? fromNs : each.fromNs,
      toNs: each.toNs > toNs ? toNs : each.toNs,
    }))
    .sort(byNodeAndTime);
  function isIn(moment: bigint): boolean {
    return moment >= fromNs && moment <= toNs;
  }
}

function byNodeAndTime(one: UnknownStretch, other: UnknownStretch): number {
  if (one.nodeId !== other.nodeId) return one.nodeId < other.nodeId ? -1 : 1;
  if (one.fromNs !== other.fromNs) return one.fromNs < other.fromNs ? -1 : 1;
  return one.toNs < other.toNs ? -1 : one.toNs > other.toNs ? 1 : 0;
}

/** Whether every expected node was seen to the end, without a gap. No node at all is nothing known. */
export function isComplete(report: LossReport): boolean {
  return report.nodes.length > 0 && report.unknown.length === 0;
}

/** For people: one line where it is complete, else one for each unknown stretch. */
export function lossText(report: LossReport): string {
  const nodes = report.nodes.map((node) => printable(node)).join(', ');
  const span = `from ${momentText(report.fromNs)} to ${momentText(report.toNs)}`;
  if (isComplete(report)) return `complete ${span} on ${nodes}\n`;
  if (report.nodes.length === 0) return `unknown ${span}, because nothing was ever watched\n`;
  const more = report.isCut ? 'and more: ask for a shorter span\n' : '';
  return report.unknown.map(stretchText).join('') + more;
}

function stretchText({ nodeId, fromNs, toNs, reason, lost, detail }: UnknownStretch): string {
  const because = becauseOf[reason] ?? 'something is missing';
  const count = lost === undefined ? '' : `; ${lost} ${lost === 1 ? 'event' : 'events'} lost`;
  const shown = printable(detail);
  const cut = shown.length <= maxDetailCharacters ? shown : `${shown.slice(0, maxDetailCharacters)}…`;
  const more = detail === '' ? '' : ` (${cut})`;
  return `unknown from ${momentText(fromNs)} to ${momentText(toNs)} on ${printable(nodeId)}, because ${because}${more}${count}\n`;
}

/** For machines: one object. Times as ISO 8601 in UTC with nanoseconds. */
export function lossJson(report: LossReport): string {
  const unknown = report.unknown.map(({ nodeId, fromNs, toNs, reason, lost, detail }) => ({
    node: nodeId,
    from: momentText(fromNs),
    to: momentText(toNs),
    reason,
    lost: lost ?? null,
    detail,
  }));
  const object = {
    complete: isComplete(report),
    from: momentText(report.fromNs),
    to: momentText(report.toNs),
    nodes: report.nodes,
    unknown,
    cut: report.isCut,
  };
  return `${jsonText(object)}\n`;
}

/** `2026-11-24T12:30:05.123456789Z`. */
export function momentText(unixNs: bigint): string {
  const bounded = unixNs < 0n ? 0n : unixNs > endOfTimeNs ? endOfTimeNs : unixNs;
  const seconds = new Date(Number(bounded / 1_000_000n)).toISOString().slice(0, 19);
  return `${seconds}.${String(bounded % 1_000_000_000n).padStart(9, '0')}Z`;
}
