import { enricherStage } from '../enricher/enricher.ts';
import { CaptureError } from '../eventlog/capture-error.ts';
import { CaptureEventLog } from '../eventlog/capture.ts';
import { RecordError } from '../eventlog/errors.ts';
import type { LogRecord } from '../eventlog/event-log.ts';
import { printable } from '../runtime/printable.ts';
import type { Coverage, RawEventBatch } from '../schemas/generated.ts';
import { exitCodes, type ExitCode } from './exit-codes.ts';

export interface CaptureInfoOptions {
  readonly file: string;
  readonly json: boolean;
  readonly write: (text: string) => void;
}

/** What a capture has. Times are by the nodes' clocks. */
export interface CaptureSummary {
  readonly file: string;
  readonly bytes: number;
  readonly records: Readonly<Record<string, number>>;
  readonly unreadable: number;
  readonly events: number;
  readonly operations: Readonly<Record<string, number>>;
  /** ISO 8601, of the first and the last event; `null` where there is none. */
  readonly from: string | null;
  readonly to: string | null;
  readonly sessions: readonly SessionSummary[];
  readonly containers: readonly { readonly id: string; readonly name: string | null; readonly image: string | null }[];
  readonly policies: readonly string[];
}

export interface SessionSummary {
  readonly nodeId: string;
  readonly bootId: string;
  readonly session: string;
  readonly batches: number;
  readonly events: number;
  /** `null` where the session has told nothing of what it saw: an excerpt. */
  readonly coverage: CoverageSummary | null;
}

export interface CoverageSummary {
  /** Rows that came, and that never did, by their sequence numbers. */
  readonly received: number;
  readonly missing: number;
  /** By the kernel's own count. */
  readonly dropped: number;
  readonly gaps: number;
}

/** Prints what is in a capture. Throws `CAPTURE_UNREADABLE` after it has shown what stands before the damage. */
export async function captureInfo({ file, json, write }: CaptureInfoOptions): Promise<ExitCode> {
  await using capture = await CaptureEventLog.open(file);
  const survey = new Survey();
  let damage: CaptureError | undefined;
  try {
    const { signal } = new AbortController();
    for await (const { record } of capture.progress(signal)) survey.add(record);
  } catch (error) {
    if (!(error instanceof CaptureError)) throw error;
    damage = error;
  }
  const summary = survey.summary(file, capture.size);
  write(json ? `${JSON.stringify(summary)}\n` : summaryText(summary));
  if (damage !== undefined) throw damage;
  return exitCodes.done;
}

interface SessionCounts {
  readonly nodeId: string;
  readonly bootId: string;
  readonly session: bigint;
  batches: number;
  events: number;
  gaps: number;
  coverage: Coverage | undefined;
}

/** Goes through the records once. What is missing is found by the enricher itself, not by a second reckoning. */
class Survey {
  readonly #records = new Map<string, number>();
  readonly #operations = new Map<string, number>();
  readonly #sessions = new Map<string, SessionCounts>();
  readonly #containers = new Map<string, { id: string; name: string | null; image: string | null }>();
  readonly #policies = new Set<string>();
  readonly #enricher = enricherStage({ keepsState: false }).createProcessor(0);
  #unreadable = 0;
  #events = 0;
  #firstNs: bigint | undefined;
  #lastNs: bigint | undefined;

  add(record: LogRecord): void {
    increase(this.#records, record.topic);
    try {
      this.#take(record);
    } catch (error) {
      if (!(error instanceof RecordError)) throw error;
      this.#unreadable += 1;
    }
  }

  #take(record: LogRecord): void {
    if (record.topic === 'policies') {
      if (record.value !== undefined) this.#policies.add(record.key);
    } else if (record.topic === 'enricher-state') {
      this.#enricher.restore(record);
      for (const { descriptor } of record.value?.containers ?? []) this.#addContainer(descriptor);
    } else if (record.topic === 'raw-events' && record.value !== undefined) {
      this.#addBatch(record.value);
      for (const output of this.#enricher.process(record)) {
        if (output.topic === 'coverage' && 'value' in output && output.value !== undefined) this.#cover(output.value);
      }
    }
  }

  #addBatch(batch: RawEventBatch): void {
    const session = this.#session(batch);
    session.batches += 1;
    session.events += batch.events.length;
    this.#events += batch.events.length;
    for (const event of batch.events) {
      increase(this.#operations, event.operation);
      const timeNs = batch.baseTimeNs + BigInt(event.timeNs) + batch.wallClockOffsetNs;
      if (this.#firstNs === undefined || timeNs < this.#firstNs) this.#firstNs = timeNs;
      if (this.#lastNs === undefined || timeNs > this.#lastNs) this.#lastNs = timeNs;
    }
    for (const descriptor of batch.containers) this.#addContainer(descriptor);
  }

  #addContainer({ kind, containerId, name, image }: RawEventBatch['containers'][number]): void {
    if (kind !== 'host') this.#containers.set(containerId, { id: containerId, name, image });
  }

  #cover(coverage: Coverage): void {
    const session = this.#session(coverage);
    session.gaps += coverage.gaps.length;
    session.coverage = coverage;
  }

  #session({ nodeId, bootId, session }: Pick<Coverage, 'nodeId' | 'bootId' | 'session'>): SessionCounts {
    const key = JSON.stringify([nodeId, bootId, session.toString()]);
    let counts = this.#sessions.get(key);
    if (counts === undefined) {
      counts = { nodeId, bootId, session, batches: 0, events: 0, gaps: 0, coverage: undefined };
      this.#sessions.set(key, counts);
    }
    return counts;
  }

  summary(file: string, bytes: number): CaptureSummary {
    return {
      file,
      bytes,
      records: Object.fromEntries(this.#records),
      unreadable: this.#unreadable,
      events: this.#events,
      operations: Object.fromEntries([...this.#operations].sort(([, first], [, second]) => second - first)),
      from: isoTime(this.#firstNs),
      to: isoTime(this.#lastNs),
      sessions: [...this.#sessions.values()].map(({ coverage, gaps, session, ...counts }) => ({
        ...counts,
        session: session.toString(),
        coverage: coverage === undefined ? null : coverageSummary(coverage, gaps),
      })),
      containers: [...this.#containers.values()],
      policies: [...this.#policies].sort(),
    };
  }
}

function coverageSummary({ cpus, operations }: Coverage, gaps: number): CoverageSummary {
  return {
    received: sum(cpus, ({ received }) => received),
    missing: sum(cpus, ({ missing }) => missing),
    dropped: sum(operations, ({ dropped }) => dropped),
    gaps,
  };
}

const grouped = new Intl.NumberFormat('en-US');

/** What a capture has, for people. */
export function summaryText(summary: CaptureSummary): string {
  const counts = (of: Readonly<Record<string, number>>): string =>
    Object.entries(of)
      .map(([name, count]) => `${grouped.format(count)} ${name}`)
      .join(', ');
  const span = summary.from === null || summary.to === null ? 'none' : `${summary.from} to ${summary.to}`;
  const unreadable = summary.unreadable === 0 ? '' : `; ${grouped.format(summary.unreadable)} could not be read`;
  return [
    `${printable(summary.file)}: ${grouped.format(summary.bytes)} bytes`,
    `records     ${counts(summary.records) || 'none'}${unreadable}`,
    `events      ${grouped.format(summary.events)}${summary.events === 0 ? '' : `: ${counts(summary.operations)}`}`,
    `span        ${span}`,
    ...summary.sessions.map(
      ({ nodeId, session, batches, events, coverage }) =>
        `session     ${printable(nodeId)} ${session}: ${grouped.format(events)} events in ${grouped.format(batches)} batches; ` +
        coverageText(coverage),
    ),
    `containers  ${grouped.format(summary.containers.length)}`,
    ...summary.containers.map(({ id, name, image }) =>
      `            ${printable(id.slice(0, 12))} ${printable(name ?? '(no name)')} ${printable(image ?? '')}`.trimEnd(),
    ),
    `policies    ${grouped.format(summary.policies.length)}`,
    ...summary.policies.map((key) => `            ${printable(key)}`),
    '',
  ].join('\n');
}

function coverageText(coverage: CoverageSummary | null): string {
  if (coverage === null) return 'coverage not told (an excerpt)';
  const { received, missing, dropped, gaps } = coverage;
  if (missing === 0 && dropped === 0 && gaps === 0) return 'complete';
  return `${grouped.format(received)} received, ${grouped.format(missing)} missing, ${grouped.format(dropped)} dropped by the kernel, ${grouped.format(gaps)} gaps`;
}

function increase(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}

function sum<Item>(items: readonly Item[], of: (item: Item) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}

/** Milliseconds are enough for people. A node may claim a time that no calendar has. */
function isoTime(unixNs: bigint | undefined): string | null {
  if (unixNs === undefined) return null;
  const date = new Date(Number(unixNs / 1_000_000n));
  return Number.isNaN(date.getTime()) ? `${unixNs} ns` : date.toISOString();
}
