/**
 * Avro binary, written straight into memory that grows and is used again: no object a value. Numbers of 64 bits come as
 * two halves, so that no bigint is made of them.
 */
export class AvroWriter {
  /** What is written: `bytes[0 .. length)`. Replaced where it grows. */
  bytes: Uint8Array<ArrayBuffer>;
  length = 0;

  constructor(capacityBytes: number) {
    this.bytes = new Uint8Array(capacityBytes);
  }

  /** Makes room for `count` more bytes. The writers of numbers and bytes below do not check: call this first. */
  reserve(count: number): void {
    const needed = this.length + count;
    if (needed <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, 2 * this.bytes.length));
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
  }

  /** An Avro int or long (Avro 1.11, binary encoding: zigzag, then 7 bits a byte) of 32 bits. At most 5 bytes. */
  int(value: number): void {
    let zigzag = ((value << 1) ^ (value >> 31)) >>> 0;
    const { bytes } = this;
    let place = this.length;
    while (zigzag > 0x7f) {
      bytes[place++] = (zigzag & 0x7f) | 0x80;
      zigzag >>>= 7;
    }
    bytes[place++] = zigzag;
    this.length = place;
  }

  /** A long of 64 bits, from its lower and upper half. At most 10 bytes. */
  long(low: number, high: number): void {
    const sign = high >> 31;
    let zigzagLow = ((low << 1) ^ sign) >>> 0;
    let zigzagHigh = (((high << 1) | (low >>> 31)) ^ sign) >>> 0;
    const { bytes } = this;
    let place = this.length;
    while (zigzagHigh !== 0 || zigzagLow > 0x7f) {
      bytes[place++] = (zigzagLow & 0x7f) | 0x80;
      zigzagLow = ((zigzagLow >>> 7) | (zigzagHigh << 25)) >>> 0;
      zigzagHigh >>>= 7;
    }
    bytes[place++] = zigzagLow;
    this.length = place;
  }

  /** A long from 0 to 2^32 - 1. At most 5 bytes. */
  unsigned(value: number): void {
    this.long(value | 0, 0);
  }

  /** A long that a number holds exactly. At most 10 bytes. */
  number(value: number): void {
    this.long(value | 0, Math.floor(value / 0x1_0000_0000));
  }

  /** A long that a bigint holds. At most 10 bytes. */
  bigint(value: bigint): void {
    this.long(Number(BigInt.asIntN(32, value)), Number(BigInt.asIntN(32, value >> 32n)));
  }

  boolean(value: boolean): void {
    this.bytes[this.length++] = value ? 1 : 0;
  }

  /** Bytes or a string: the length, then `from[start .. end)`. At most 5 bytes more than those. */
  slice(from: Uint8Array, start: number, end: number): void {
    this.int(end - start);
    const { bytes } = this;
    let place = this.length;
    // Names are short: a loop is faster than making a view for set().
    for (let index = start; index < end; index++) bytes[place++] = from[index] ?? 0;
    this.length = place;
  }

  /** Text as UTF-8. Makes its own room. */
  text(value: string): void {
    const encoded = Buffer.from(value, 'utf8');
    this.reserve(encoded.length + 5);
    this.slice(encoded, 0, encoded.length);
  }

  /** What has been written elsewhere, as it is. Makes its own room. */
  raw(written: Uint8Array): void {
    this.reserve(written.length);
    this.bytes.set(written, this.length);
    this.length += written.length;
  }

  /** An array: its `count` items as another writer holds them, and the end. Makes its own room. */
  array(count: number, items: AvroWriter): void {
    this.reserve(items.length + 6);
    if (count > 0) {
      this.int(count);
      this.bytes.set(items.bytes.subarray(0, items.length), this.length);
      this.length += items.length;
    }
    this.int(0);
  }
}
