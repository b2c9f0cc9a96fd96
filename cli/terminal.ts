import type { Writable } from 'node:stream';

/** The status line, as figures. */
export interface StatusFigures {
  readonly eventsPerSecond: number;
  /** Since the session began: what the kernel dropped and what was lost on the way. */
  readonly dropped: number;
  readonly alerts: number;
  /** Records that wait for the slowest stage. */
  readonly lagRecords: number;
}

export interface TerminalOptions {
  readonly output: Writable;
  /** Whether `output` can redraw a line in place. */
  readonly isTerminal: boolean;
  /** Columns of the terminal; longer status lines are cut, since a wrapped line cannot be redrawn. */
  readonly columns: () => number;
  /** Milliseconds between two status lines where they can't be redrawn. */
  readonly plainStatusEveryMs: number;
}

/** Lines that stay, above one status line that is redrawn in place; on a plain output the status is a line now and then. */
export class Terminal {
  readonly #options: TerminalOptions;
  #status = '';
  #lastPlainStatusMs = Number.NEGATIVE_INFINITY;

  constructor(options: TerminalOptions) {
    this.#options = options;
  }

  /** Writes `text`, which ends with a newline, above the status line. */
  print(text: string): void {
    const { output, isTerminal } = this.#options;
    output.write(isTerminal ? `\r\u001b[K${text}${this.#status}` : text);
  }

  /** Shows new figures. `nowMs` is any steady clock. */
  showStatus(figures: StatusFigures, nowMs: number): void {
    const { output, isTerminal, columns, plainStatusEveryMs } = this.#options;
    const text = statusText(figures);
    if (isTerminal) {
      const room = Math.max(1, columns() - 1);
      this.#status = (text.length <= room ? text : shortStatusText(figures)).slice(0, room);
      output.write(`\r\u001b[K${this.#status}`);
    } else if (nowMs - this.#lastPlainStatusMs >= plainStatusEveryMs) {
      this.#lastPlainStatusMs = nowMs;
      output.write(`${text}\n`);
    }
  }

  /** Takes the status line away, for good. */
  clearStatus(): void {
    if (this.#options.isTerminal && this.#status !== '') this.#options.output.write('\r\u001b[K');
    this.#status = '';
  }
}

const grouped = new Intl.NumberFormat('en-US');

/** `1,204 events/s · 0 dropped · 7 alerts · lag 0 records`. */
export function statusText(figures: StatusFigures): string {
  const parts = [
    `${grouped.format(Math.round(figures.eventsPerSecond))} events/s`,
    `${grouped.format(figures.dropped)} dropped`,
    `${grouped.format(figures.alerts)} ${figures.alerts === 1 ? 'alert' : 'alerts'}`,
    `lag ${grouped.format(figures.lagRecords)} records`,
  ];
  return parts.join(' · ');
}

/** The same for narrow terminals: `1,204/s · 0 dropped · 7 alerts · lag 0`. */
function shortStatusText(figures: StatusFigures): string {
  return statusText(figures)
    .replace(' events/s', '/s')
    .replace(/ records$/u, '');
}
