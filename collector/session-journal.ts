import { closeSync, constants, mkdirSync, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** How far a session has come. */
export interface SessionEntry {
  readonly bootId: string;
  readonly session: bigint;
  /** The highest batch number that may have been appended. */
  readonly batch: number;
  /** CLOCK_BOOTTIME of the last batch while all programs were attached. */
  readonly timeNs: bigint;
  /** Whether its beginning is appended, and with it the gap before it: one that was killed earlier owes that gap. */
  readonly isTold: boolean;
}

/** One more than the sessions that the kernel can keep for us (native/monitor.cc), so that none is overwritten too early. */
const slots = 9;
const slotBytes = 128;
const fileName = 'collector-sessions';

/**
 * Remembers the batch number of each session beside the log, for whoever goes on after a kill. A number is written down before
 * its batch is appended, in place and unsynced: that survives the process; where the machine dies the session ends with it.
 */
export class SessionJournal implements Disposable {
  readonly #descriptor: number;
  readonly #entries: (SessionEntry | undefined)[];
  readonly #line = Buffer.alloc(slotBytes);

  /** Opens the journal in the collector's data directory; makes both where they are missing. */
  constructor(directory: string) {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    this.#descriptor = openSync(join(directory, fileName), constants.O_RDWR | constants.O_CREAT, 0o600);
    const bytes = Buffer.alloc(slots * slotBytes);
    readSync(this.#descriptor, bytes, 0, bytes.length, 0);
    this.#entries = Array.from({ length: slots }, (_, slot) =>
      parse(bytes.toString('latin1', slot * slotBytes, (slot + 1) * slotBytes)),
    );
  }

  /** What is known of a session; `undefined`: nothing. */
  find(bootId: string, session: bigint): SessionEntry | undefined {
    return this.#entries.find((entry) => entry?.bootId === bootId && entry.session === session);
  }

  /** The latest session of a boot whose beginning is told. */
  latestTold(bootId: string): SessionEntry | undefined {
    return this.#entries
      .flatMap((entry) => (entry?.bootId === bootId && entry.isTold ? [entry] : []))
      .reduce<SessionEntry | undefined>(
        (best, entry) => (best && best.session > entry.session ? best : entry),
        undefined,
      );
  }

  /** Writes down how far a session has come. */
  write(entry: SessionEntry): void {
    const slot = this.#slotOf(entry);
    this.#entries[slot] = entry;
    const text = `${entry.bootId} ${entry.session} ${entry.batch} ${entry.timeNs} ${entry.isTold ? 'told' : 'begun'} end`;
    this.#line.fill(' ');
    this.#line.write(text, 'latin1');
    this.#line.write('\n', slotBytes - 1, 'latin1');
    writeSync(this.#descriptor, this.#line, 0, slotBytes, slot * slotBytes);
  }

  [Symbol.dispose](): void {
    closeSync(this.#descriptor);
  }

  /** Its own, else a free one, else one of another boot, else the oldest. */
  #slotOf(entry: SessionEntry): number {
    const isOwn = (other: SessionEntry | undefined): boolean =>
      other?.session === entry.session && other.bootId === entry.bootId;
    const own = this.#entries.findIndex(isOwn);
    if (own >= 0) return own;
    const free = this.#entries.findIndex((other) => other?.bootId !== entry.bootId);
    if (free >= 0) return free;
    let oldest = 0;
    this.#entries.forEach((other, slot) => {
      if ((other?.session ?? 0n) < (this.#entries[oldest]?.session ?? 0n)) oldest = slot;
    });
    return oldest;
  }
}

/** A line that is not whole says nothing. */
function parse(line: string): SessionEntry | undefined {
  const match = /^(\S+) (\d+) (\d+) (\d+) (told|begun) end *\n$/.exec(line);
  const [, bootId, session, batch, timeNs, state] = match ?? [];
  if (bootId === undefined || session === undefined || batch === undefined || timeNs === undefined) return undefined;
  return { bootId, session: BigInt(session), batch: Number(batch), timeNs: BigInt(timeNs), isTold: state === 'told' };
}
