import type { LogRecord, OffsetRange } from '../../../eventlog/event-log.ts';
import type { SinkStage, SourceStage } from '../../../eventlog/stage.ts';
import { PalisadeError } from '../../../runtime/errors.ts';
import { retry } from '../../../runtime/retry.ts';
import { event, textOf, unprepared } from '../toy.ts';
import type { DiskClient } from './disk.ts';
import type { Step } from './stepped-time.ts';

/** A text that the destination never takes. */
export const poison = '!';

/** One thing that happened on a node. */
interface Happened {
  readonly node: string;
  /** From 1 for each node. */
  readonly number: number;
  readonly text: string;
}

/** What happens, kept until somebody says that it is appended: as the kernel's ring keeps it. */
export class Ring {
  readonly happened: Happened[] = [];
  #released = 0;
  #whenMore: (() => void)[] = [];

  add(node: string, text: string): void {
    const number = this.happened.filter((before) => before.node === node).length + 1;
    this.happened.push({ node, number, text });
    for (const wake of this.#whenMore.splice(0)) wake();
  }

  /** What was said to be appended was not: it comes again. */
  forgetReleases(count: number): void {
    this.#released = Math.max(0, this.#released - count);
    for (const wake of this.#whenMore.splice(0)) wake();
  }

  /** A block of what is not released, and how to release it. */
  block(): { readonly events: readonly Happened[]; readonly release: () => void } | undefined {
    const events = this.happened.slice(this.#released, this.#released + maxBlockEvents);
    const until = this.#released + events.length;
    if (events.length === 0) return undefined;
    const release = (): void => {
      this.#released = until;
    };
    return { events, release };
  }

  more(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal.aborted) resolve();
      this.#whenMore.push(resolve);
      signal.addEventListener('abort', () => {
        resolve();
      });
    });
  }
}

const maxBlockEvents = 2;

/** The collector's protocol: a block is released when it is appended, so what a killed process had not stored comes again. */
export function ringSource(ring: Ring, process: DiskClient): SourceStage {
  return {
    name: 'ring',
    outputs: ['coverage'],
    run: async (log, signal) => {
      for (;;) {
        const block = ring.block();
        if (block === undefined) {
          if (signal.aborted) return;
          await ring.more(signal);
          await process.step('the ring has more');
          continue;
        }
        const records = block.events.map(({ node, text, number }) => event(node, text, number));
        await retry(() => log.append(records), {
          firstDelayMs: 1,
          maxDelayMs: 1,
          maxAttempts: Infinity,
          signal: new AbortController().signal,
        });
        block.release();
      }
    },
  };
}

/** What becomes of one try to write to the destination. */
export type Fate = 'stored' | 'stored, and the answer is lost' | 'lost';

/** A place outside that drops the repeat of a write by its token, and knows nothing of what is in it, as ClickHouse does. */
export class Destination {
  readonly rows: string[] = [];
  readonly #tokens = new Set<string>();
  readonly #fates: Fate[];

  /** Of the tries in their order; those beyond are stored. */
  constructor(fates: readonly Fate[]) {
    this.#fates = [...fates];
  }

  nextFate(): Fate {
    return this.#fates.shift() ?? 'stored';
  }

  insert(rows: readonly string[], { first, last }: OffsetRange): void {
    const token = JSON.stringify([first, last, rows]);
    if (this.#tokens.has(token)) return;
    this.#tokens.add(token);
    this.rows.push(...rows);
  }
}

export const sinkName = 'destination';

/** Writes tagged events, as `rowOf` words them. A try that is underway arrives also where its process has died meanwhile. */
export function destinationSink(destination: Destination, process: DiskClient, step: Step): SinkStage {
  return {
    name: sinkName,
    input: 'workloads',
    prepare: unprepared(async (records, range) => {
      if (records.some((record) => textOf(record).includes(poison))) {
        await process.step('a write is refused');
        throw new PalisadeError('SINK_REFUSED', 'it never takes this');
      }
      const fate = destination.nextFate();
      await step('a write arrives, or not');
      if (fate !== 'lost') destination.insert(records.map(rowOf), range);
      await process.step('a write is answered');
      if (fate !== 'stored') throw new PalisadeError('SINK_REFUSED', 'no answer', { retriable: true });
    }),
  };
}

/** A row of the destination. */
export function rowOf(record: LogRecord): string {
  return `${record.offset} ${textOf(record)}`;
}
