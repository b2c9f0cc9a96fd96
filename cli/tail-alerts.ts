import { setTimeout as delay } from 'node:timers/promises';
import type { EventLogReader } from '../eventlog/embedded.ts';
import type { Alert, Coverage } from '../schemas/generated.ts';
import type { StatusFigures } from './terminal.ts';

/** A tail has caught up when it had nothing to show between so many looks; it is a few milliseconds behind the log. */
const quietLooks = 5;
/** Between two looks. Looks are counted, not time: a process that the machine does not let run sees nothing, and much time pass. */
const lookEveryMs = 30;
/** Catching up at the end takes no longer than this: what is not shown then is in the log and in SQL. */
const catchUpMs = 2000;

/** Who is shown what. */
export interface TailOptions {
  readonly log: Pick<EventLogReader, 'read'>;
  readonly onAlert: (alert: Alert) => void;
  readonly onCoverage: (coverage: Coverage) => void;
}

/** Follows alerts and coverage of a running pipeline from its topics, as anybody could, from the present end on. */
export class AlertTail {
  readonly #abort = new AbortController();
  readonly #done: Promise<void>;
  #records = 0;

  constructor(options: TailOptions) {
    this.#done = this.#follow(options);
    // Kept for `end`, which throws it.
    this.#done.catch(() => undefined);
  }

  /** Shows what is still there, then ends. Throws what reading threw. */
  async end(): Promise<void> {
    const untilMs = performance.now() + catchUpMs;
    for (let quiet = 0; quiet < quietLooks && performance.now() < untilMs;) {
      const before = this.#records;
      await delay(lookEveryMs);
      quiet = this.#records === before ? quiet + 1 : 0;
    }
    this.#abort.abort();
    await this.#done;
  }

  async #follow({ log, onAlert, onCoverage }: TailOptions): Promise<void> {
    const { signal } = this.#abort;
    for await (const record of log.read({ topics: ['alerts', 'coverage'], from: 'end', follow: true, signal })) {
      this.#records += 1;
      if (record.value === undefined) continue;
      if (record.topic === 'alerts') onAlert(record.value);
      else if (record.topic === 'coverage') onCoverage(record.value);
    }
  }
}

/** Makes the figures of the status line of alerts and coverage records. */
export class StatusCounter {
  #alerts = 0;
  #received = 0;
  readonly #sessions = new Map<bigint, { readonly received: number; readonly dropped: number }>();

  alert(): void {
    this.#alerts += 1;
  }

  /** Coverage counts from a session's beginning: what is new is the difference to the last record of that session. */
  coverage(coverage: Coverage): void {
    const before = this.#sessions.get(coverage.session)?.received ?? 0;
    const received = coverage.cpus.reduce((sum, cpu) => sum + cpu.received, 0);
    const dropped = coverage.operations.reduce((sum, operation) => sum + operation.dropped, 0);
    this.#received += received - before;
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
