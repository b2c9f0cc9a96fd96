/** Growing by doubling from here: an insert of a hundred alerts. */
const firstBytes = 64 * 1024;
/** Up to so many characters a loop is faster than the call of a native encoder. */
const maxLoopLength = 48;

/** Bytes of ClickHouse's binary formats, one after the other: little-endian numbers, lengths in groups of 7 bits. */
export class NativeOutput {
  #buffer = Buffer.allocUnsafeSlow(firstBytes);
  /** Of the same memory: numbers by it are twice as fast as by the buffer. */
  #view = viewOf(this.#buffer);
  #length = 0;

  /** What was written; of the writer from now on, which must not write any more. */
  take(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  uint8(value: number): void {
    this.#reserve(1);
    this.#buffer[this.#length++] = value;
  }

  bytes(values: Uint8Array): void {
    this.#reserve(values.length);
    this.#buffer.set(values, this.#length);
    this.#length += values.length;
  }

  int32(value: number): void {
    this.#reserve(4);
    this.#view.setInt32(this.#length, value, true);
    this.#length += 4;
  }

  /** A safe integer as 64 bits, negative ones in two's complement. */
  int64(value: number): void {
    this.#reserve(8);
    const high = Math.floor(value / 2 ** 32);
    this.#view.setUint32(this.#length, value - high * 2 ** 32, true);
    this.#view.setInt32(this.#length + 4, high, true);
    this.#length += 8;
  }

  /** -2^63 to 2^63 - 1. */
  bigint64(value: bigint): void {
    this.#reserve(8);
    this.#view.setBigInt64(this.#length, value, true);
    this.#length += 8;
  }

  /** A number from 0 on, seven bits a byte, the lowest first (`writeVarUInt`, src/IO/VarInt.h). */
  varint(value: number): void {
    this.#reserve(8);
    this.#putVarint(value);
  }

  /** The length in bytes and the text as UTF-8; a lone surrogate becomes U+FFFD. */
  string(value: string): void {
    const { length } = value;
    // Three bytes a UTF-16 unit at most, and a length.
    this.#reserve(length * 3 + 8);
    if (length <= maxLoopLength && this.#putShort(value)) return;
    const bytes = Buffer.byteLength(value);
    this.#putVarint(bytes);
    this.#length += this.#buffer.write(value, this.#length);
  }

  /** Puts text of ASCII; `false` where it is none, and nothing was written. */
  #putShort(value: string): boolean {
    const buffer = this.#buffer;
    const { length } = value;
    // Its length is below 128: one byte.
    const start = this.#length + 1;
    for (let place = 0; place < length; place++) {
      const unit = value.charCodeAt(place);
      if (unit >= 0x80) return false;
      buffer[start + place] = unit;
    }
    buffer[this.#length] = length;
    this.#length = start + length;
    return true;
  }

  #putVarint(value: number): void {
    let rest = value;
    while (rest >= 0x80) {
      this.#buffer[this.#length++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#buffer[this.#length++] = rest;
  }

  #reserve(bytes: number): void {
    const needed = this.#length + bytes;
    if (needed <= this.#buffer.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.#buffer.length * 2));
    this.#buffer.copy(grown, 0, 0, this.#length);
    this.#buffer = grown;
    this.#view = viewOf(grown);
  }
}

function viewOf(buffer: Buffer): DataView {
  return new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}
