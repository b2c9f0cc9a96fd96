import type { Writable } from 'node:stream';

/** How far a piece of work has come. */
export interface ProgressFigures {
  /** Of the whole, 0 to 1; `undefined` where its end is not known. */
  readonly share: number | undefined;
  readonly events: number;
  readonly eventsPerSecond: number;
  /** What came of it: `12 alerts`, `3.1 MiB`. */
  readonly result: string;
}

export interface ProgressOptions {
  readonly output: Writable;
  /** Whether `output` can redraw a line in place. */
  readonly isTerminal: boolean;
  readonly columns: () => number;
  /** Milliseconds of a clock that nobody sets. Default: this process's. */
  readonly nowMs?: () => number;
}

const redrawEveryMs = 100;
const plainEveryMs = 5000;
const barColumns = 24;
const grouped = new Intl.NumberFormat('en-US');

/** A bar that is redrawn in place on a terminal, and a line every five seconds elsewhere. */
export class Progress {
  readonly #options: ProgressOptions;
  readonly #nowMs: () => number;
  readonly #startedMs: number;
  #shownMs: number;
  #isShown = false;

  constructor(options: ProgressOptions) {
    this.#options = options;
    this.#nowMs = options.nowMs ?? (() => performance.now());
    this.#startedMs = this.#nowMs();
    this.#shownMs = this.#startedMs;
  }

  /** Shows how far it is, where it is time to; may be called as often as one likes. */
  show(now: { readonly share: number | undefined; readonly events: number; readonly result: () => string }): void {
    const nowMs = this.#nowMs();
    const { output, isTerminal, columns } = this.#options;
    if (nowMs - this.#shownMs < (isTerminal ? redrawEveryMs : plainEveryMs)) return;
    this.#shownMs = nowMs;
    const eventsPerSecond = (now.events * 1000) / (nowMs - this.#startedMs);
    const figures = { share: now.share, events: now.events, eventsPerSecond, result: now.result() };
    if (!isTerminal) output.write(`${progressText(figures)}\n`);
    else {
      const bar = now.share === undefined ? '' : `${barText(now.share)} `;
      output.write(`\r\u001b[K${(bar + progressText(figures)).slice(0, Math.max(1, columns() - 1))}`);
      this.#isShown = true;
    }
  }

  /** Takes the bar away and writes `text`, which ends with a newline. */
  print(text: string): void {
    this.#options.output.write(this.#isShown ? `\r\u001b[K${text}` : text);
    this.#isShown = false;
  }
}

/** `42 % · 1,204,000 events · 250,000 events/s · 12 alerts`. */
export function progressText({ share, events, eventsPerSecond, result }: ProgressFigures): string {
  const parts = [`${grouped.format(events)} events`, `${grouped.format(Math.round(eventsPerSecond))} events/s`, result];
  return (share === undefined ? parts : [`${Math.floor(share * 100)} %`, ...parts]).join(' · ');
}

function barText(share: number): string {
  const full = Math.round(Math.min(1, share) * barColumns);
  return `${'█'.repeat(full)}${'░'.repeat(barColumns - full)}`;
}
