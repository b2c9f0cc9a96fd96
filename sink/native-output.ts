import { isUtf8 } from 'node:buffer';

/** Growing by doubling from here: a column of some alerts. */
const firstBytes = 512;
/** Up to so many bytes a loop is faster than the call of a native function. */
const maxLoopLength = 48;

/** Bytes of ClickHouse's binary formats, one after the other: little-endian numbers, lengths in groups of 7 bits. */
export class NativeOutput {
  #buffer: Buffer;
  /** Of the same memory: numbers by it are twice as fast as by the buffer. */
  #view: DataView;
  #length = 0;

  constructor(bytes = firstBytes) {
    this.#buffer = Buffer.allocUnsafeSlow(bytes);
    this.#view = viewOf(this.#buffer);
  }

  get length(): number {
    return this.#length;
  }

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

  /** What another one has. */
  append(other: NativeOutput): void {
    this.bytes(other.take());
  }

  int32(value: number): void {
    this.#reserve(4);
    this.#view.setInt32(this.#length, value, true);
    this.#length += 4;
  }

  /** A safe integer as 64 bits, negative ones in two's complement. */
  int64(value: number): void {
    const high = Math.floor(value / 2 ** 32);
    this.words(value - high * 2 ** 32, high);
  }

  /** 64 bits, by 32 of them. */
  words(low: number, high: number): void {
    this.#reserve(8);
    this.#view.setInt32(this.#length, low, true);
    this.#view.setInt32(this.#length + 4, high, true);
    this.#length += 8;
  }

  /** A number from 0 on, seven bits a byte, the lowest first (`writeVarUInt`, src/IO/VarInt.h). */
  varint(value: number): void {
    this.#reserve(8);
    this.#putVarint(value);
  }

  /** The length in bytes and the text as UTF-8; a lone surrogate becomes U+FFFD. */
  string(value: string): void {
    const bytes = Buffer.from(value);
    this.text(bytes, 0, bytes.length);
  }

  /** The length in bytes and the UTF-8 from `start` to `end` of `source`; what is no UTF-8 there becomes U+FFFD. */
  text(source: Uint8Array, start: number, end: number): void {
    const length = end - start;
    this.#reserve(length + 8);
    if (length <= maxLoopLength) {
      if (this.#putShort(source, start, length)) return;
    }
    const text = source.subarray(start, end);
    if (!isUtf8(text)) {
      this.string(Buffer.from(text).toString());
      return;
    }
    this.#putVarint(length);
    this.#buffer.set(text, this.#length);
    this.#length += length;
  }

  /** Puts text of ASCII; `false` where it is none, and nothing was written. */
  #putShort(source: Uint8Array, start: number, length: number): boolean {
    const buffer = this.#buffer;
    // The length is below 128: one byte.
    const first = this.#length + 1;
    let all = 0;
    for (let place = 0; place < length; place++) {
      const byte = source[start + place] ?? 0;
      all |= byte;
      buffer[first + place] = byte;
    }
    if (all >= 0x80) return false;
    buffer[this.#length] = length;
    this.#length = first + length;
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
