import { createCrc32c, type Crc32c } from './crc32c.ts';

/** What a row says beside its value. */
export interface RowHead {
  readonly offset: number;
  readonly sequence: number;
  readonly timestampMs: number;
  readonly key: string;
  /** Stamped table positions as JSON; `null` where there are none. */
  readonly positions: string | null;
}

/** Added to the checksum of a whole row: a CRC-32C is below it. */
const wholeRow = 2 ** 32;

/**
 * Checksums of rows, since SQLite does not protect what it stores against flipped bits: CRC-32C of all that a row says, plus
 * 2^32. Rows of layout 1 have that of the value alone, without it, and none where there is no value.
 */
export class RowChecksum {
  readonly #crc32c: Crc32c = createCrc32c();

  of(head: RowHead, value: Uint8Array | null): number {
    const { offset, sequence, timestampMs, key, positions } = head;
    // With the key's length nothing can move from one field to the next.
    const text = `${offset} ${sequence} ${timestampMs} ${value?.length ?? -1} ${key.length} ${key}${positions ?? ''}`;
    const ofHead = this.#crc32c(Buffer.from(text));
    return wholeRow + (value === null ? ofHead : this.#crc32c(value, ofHead));
  }

  holds(checksum: number | null, head: RowHead, value: Uint8Array | null): boolean {
    if (checksum !== null && checksum >= wholeRow) return checksum === this.of(head, value);
    return value === null ? checksum === null : checksum === this.#crc32c(value);
  }
}
