import type { EventLog } from '../eventlog/event-log.ts';
import type { Alert, Coverage } from '../schemas/generated.ts';
import type { StatusFigures } from './terminal.ts';

/** What is shown of a running pipeline, read from its topics as anybody could. */
export interface TailOptions {
  readonly log: EventLog;
  readonly signal: AbortSignal;
  readonly onAlert: (alert: Alert) => void;
  readonly onCoverage: (coverage: Coverage) => void;
}

/** Follows alerts and coverage from the present end on until `signal` aborts. */
export async function tailAlerts({ log, signal, onAlert, onCoverage }: TailOptions): Promise<void> {
  for await (const record of log.read({ topics: ['alerts', 'coverage'], from: 'end', follow: true, signal })) {
    if (record.value === undefined) continue;
    if (record.topic === 'alerts') onAlert(record.value);
    else if (record.topic === 'coverage') onCoverage(record.value);
  }
}

/** Makes the figures of the status line of alerts and coverage records. */
export class StatusCounter {
  #alerts = 0;
  #received = 0;
  readonly #sessions = new Map<bigint, { received: number; dropped: number }>();

  alert(): void {
    this.#alerts += 1;
  }

  /** Coverage counts from a session's beginning: what is new is the difference to the last record of that session. */
  coverage(coverage: Coverage): void {
    const before = this.#sessions.get(coverage.session);
    const received = coverage.cpus.reduce((sum, cpu) => sum + cpu.received, 0);
    const dropped = coverage.operations.reduce((sum, operation) => sum + operation.dropped, 0);
    if (before !== undefined) this.#received += received - before.received;
    this.#sessions.set(coverage.session, { received, dropped });
  }

  /** The figures since the last call, which was `elapsedMs` ago. */
  take(elapsedMs: number, lagRecords: number): StatusFigures {
    const eventsPerSecond = elapsedMs > 0 ? (this.#received * 1000) / elapsedMs : 0;
    this.#received = 0;
    const dropped = [...this.#sessions.values()].reduce((sum, session) => sum + session.dropped, 0);
    return { eventsPerSecond, dropped, alerts: this.#alerts, lagRecords };
  }
}
