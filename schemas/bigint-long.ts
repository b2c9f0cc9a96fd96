import avro from 'avsc';

/** Of avsc (`Tap`, lib/utils.js): bytes and where they are read or written. Beyond the end nothing is written, and `pos` goes on. */
interface Tap {
  readonly buf: Buffer;
  pos: number;
}

/**
 * A `long` as bigint, for fields marked `"javaScript": "bigint"` in the schemas: times since boot pass 2^53 ns after
 * 104 days, cgroup ids and inodes may at any time, and avsc refuses such a number. On the wire it is an ordinary long.
 *
 * avsc's own way to such a type makes a buffer of eight bytes for each value that is read or written, which was a quarter of all
 * memory that reading events and writing alerts took. It has no public way to say otherwise; the two methods are named as in
 * lib/types.js of 5.7.9, and a test holds them.
 */
export function bigintLong(): avro.Type {
  const long = avro.types.LongType.__with({
    fromBuffer: unused,
    toBuffer: unused,
    fromJSON: (value: number | string) => BigInt(value),
    toJSON: (value: bigint) => Number(value),
    isValid,
    compare: (first: bigint, second: bigint) => (first === second ? 0 : first < second ? -1 : 1),
  });
  const word = new DataView(new ArrayBuffer(8));
  return Object.create(long, {
    _read: { value: (tap: Tap) => read(tap, word) },
    _write: {
      value: (tap: Tap, value: unknown) => {
        if (!isValid(value)) throw new TypeError(`invalid "long": ${typeof value}`);
        word.setBigInt64(0, value);
        write(tap, word.getInt32(4), word.getInt32(0));
      },
    },
  }) as avro.Type;
}

/** In the place of what `_read` and `_write` would call. */
function unused(): never {
  throw new Error('a long is read and written without a buffer');
}

function isValid(value: unknown): value is bigint {
  return typeof value === 'bigint' && BigInt.asIntN(64, value) === value;
}

/** Zig-zag in groups of 7 bits, the lowest first (Avro 1.11 specification, "Binary Encoding"); the tenth group has one bit. */
function read(tap: Tap, word: DataView): bigint {
  const { buf } = tap;
  // 28 bits of the lowest four groups, 28 of the next four and 8 of the rest.
  let lowest = 0;
  let middle = 0;
  let highest = 0;
  for (let bit = 0; ; bit += 7) {
    const byte = buf[tap.pos++] ?? 0;
    const group = byte & 0x7f;
    if (bit < 28) lowest |= group << bit;
    else if (bit < 56) middle |= group << (bit - 28);
    else if (bit < 70) highest |= group << (bit - 56);
    if (byte < 0x80) break;
  }
  const low = lowest | (middle << 28);
  const high = (middle >>> 4) | (highest << 24);
  const sign = -(low & 1);
  word.setInt32(4, ((low >>> 1) | (high << 31)) ^ sign);
  word.setInt32(0, (high >>> 1) ^ sign);
  return word.getBigInt64(0);
}

function write(tap: Tap, low: number, high: number): void {
  const { buf } = tap;
  const sign = high >> 31;
  let rest = (low << 1) ^ sign;
  let above = ((high << 1) | (low >>> 31)) ^ sign;
  while (above !== 0 || rest >>> 7 !== 0) {
    buf[tap.pos++] = (rest & 0x7f) | 0x80;
    rest = (rest >>> 7) | (above << 25);
    above >>>= 7;
  }
  buf[tap.pos++] = rest;
}
