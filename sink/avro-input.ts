/**
 * Reads Avro binary (Avro 1.11 specification, "Binary Encoding") that was checked before to be values of its schema: nothing is
 * checked here. Numbers come as 32-bit words, so that none becomes an object on its way.
 */
export class AvroInput {
  bytes: Uint8Array = new Uint8Array();
  /** Of the next byte. */
  position = 0;
  /** The lower 32 bits of the long that was read last, signed. */
  low = 0;
  /** Its upper 32 bits, signed. */
  high = 0;
  /** Of the groups that were read last. */
  #bits = 0;

  /** From the beginning of other bytes. */
  begin(bytes: Uint8Array): void {
    this.bytes = bytes;
    this.position = 0;
  }

  boolean(): boolean {
    return this.bytes[this.position++] === 1;
  }

  /** A number of 32 bits: an int, an index, a length or a count. */
  int(): number {
    const { bytes } = this;
    let zigzag = 0;
    let shift = 0;
    for (;;) {
      const byte = bytes[this.position++] ?? 0;
      // Groups beyond the 32nd bit are 0: they only pad.
      zigzag |= (byte & 0x7f) << shift;
      if (byte < 0x80) return (zigzag >>> 1) ^ -(zigzag & 1);
      shift += 7;
    }
  }

  /** Into `low` and `high`. */
  long(): void {
    // Ten groups of 7 bits: four, four and two of them are 28, 28 and 8 bits.
    let isEnd = this.#groups();
    const lowest = this.#bits;
    if (isEnd) {
      this.low = (lowest >>> 1) ^ -(lowest & 1);
      this.high = -(lowest & 1);
      return;
    }
    isEnd = this.#groups();
    const middle = this.#bits;
    if (isEnd) this.#bits = 0;
    else this.#groups();
    const low = lowest | (middle << 28);
    const high = (middle >>> 4) | (this.#bits << 24);
    const sign = -(low & 1);
    this.low = ((low >>> 1) | (high << 31)) ^ sign;
    this.high = (high >>> 1) ^ sign;
  }

  /** Up to four groups into `#bits`; whether the number ends with them. */
  #groups(): boolean {
    const { bytes } = this;
    let bits = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = bytes[this.position++] ?? 0;
      bits |= (byte & 0x7f) << shift;
      if (byte < 0x80) {
        this.#bits = bits;
        return true;
      }
    }
    this.#bits = bits;
    return false;
  }

  /** How many items the next block of an array has: 0 at its end. */
  count(): number {
    const count = this.int();
    if (count >= 0) return count;
    // The block's size, for those who skip it.
    this.int();
    return -count;
  }

  /** Where the text or bytes at the position end; the position is then that of their first byte. */
  extent(): number {
    const length = this.int();
    return this.position + length;
  }

  /** The bytes, as a view. */
  view(): Buffer {
    const end = this.extent();
    const start = this.position;
    this.position = end;
    return Buffer.from(this.bytes.buffer, this.bytes.byteOffset + start, end - start);
  }
}
