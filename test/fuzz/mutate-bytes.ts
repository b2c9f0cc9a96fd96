import type { Random } from './random.ts';

/** Longest input: what is slow for its size shows at this size, and a worker stays within its memory. */
export const inputBytesMax = 64 << 10;

/** Edges of the widths in which formats keep sizes and counts. */
const edges: readonly bigint[] = [0, 7, 8, 15, 16, 31, 32, 52, 53, 62, 63].flatMap((bits) => {
  const power = 1n << BigInt(bits);
  return [power - 1n, power, -power];
});

/** A number at or near one of those edges. */
export function edgeNumber(random: Random): bigint {
  return BigInt.asIntN(64, random.of(edges) + BigInt(random.below(3) - 1));
}

/** Avro's long (1.11, "Binary Encoding": zigzag, 7 bits a byte), also with more bytes than it needs. */
export function avroLong(value: bigint, paddingBytes = 0): Uint8Array {
  let rest = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n));
  const bytes: number[] = [];
  while (rest > 0x7fn) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  for (let place = 0; place < paddingBytes; place++) {
    bytes.push((bytes.pop() ?? 0) | 0x80, 0);
  }
  return Uint8Array.from(bytes);
}

/** `bytes` with `put` instead of `[start .. end)`. */
export function replaced(bytes: Uint8Array, start: number, end: number, put: Uint8Array): Uint8Array {
  return Buffer.concat([bytes.subarray(0, start), put, bytes.subarray(end)]).subarray(0, inputBytesMax);
}

type Mutation = (random: Random, bytes: Uint8Array, other: Uint8Array) => Uint8Array;

function piece(random: Random, bytes: Uint8Array): Uint8Array {
  const start = random.below(bytes.length);
  return bytes.subarray(start, start + random.length(512));
}

const mutations: readonly Mutation[] = [
  (random, bytes) => {
    const place = random.below(bytes.length);
    return replaced(bytes, place, place + 1, Uint8Array.of((bytes[place] ?? 0) ^ (1 << random.below(8))));
  },
  (random, bytes) => {
    const place = random.below(bytes.length);
    return replaced(bytes, place, place + 1, Uint8Array.of(random.of([0, 1, 0x7f, 0x80, 0xff, random.below(256)])));
  },
  (random, bytes) => {
    const place = random.below(bytes.length);
    return replaced(bytes, place, place + 1, Uint8Array.of((bytes[place] ?? 0) + random.below(9) - 4));
  },
  (random, bytes) => {
    const number = Buffer.alloc(8);
    number.writeBigInt64LE(edgeNumber(random));
    const width = random.of([2, 4, 8]);
    const place = random.below(bytes.length);
    return replaced(bytes, place, place + width, number.subarray(0, width));
  },
  (random, bytes) => {
    const place = random.below(bytes.length);
    return replaced(bytes, place, place + random.below(3), avroLong(edgeNumber(random), random.below(3)));
  },
  (random, bytes) => {
    const start = random.below(bytes.length);
    return replaced(bytes, start, start + random.length(512), new Uint8Array(0));
  },
  (random, bytes) => {
    const start = random.below(bytes.length);
    return replaced(bytes, start, start, piece(random, bytes));
  },
  (random, bytes, other) => {
    const start = random.below(bytes.length);
    const put = piece(random, other);
    return replaced(bytes, start, random.oneIn(2) ? start : start + put.length, put);
  },
  (random, bytes, other) =>
    replaced(bytes, random.below(bytes.length), bytes.length, other.subarray(random.below(other.length))),
  (random, bytes) => bytes.subarray(0, random.below(bytes.length + 1)),
  (random, bytes) => {
    const put = Uint8Array.from({ length: random.length(64) }, () => random.below(256));
    const place = random.below(bytes.length + 1);
    return replaced(bytes, place, place, put);
  },
];

/** Changes that know nothing of what the bytes mean, one to four of them. */
export function mutateBytes(random: Random, input: Uint8Array, other: Uint8Array): Uint8Array {
  let bytes = input;
  for (let change = random.below(4); change >= 0; change--) bytes = random.of(mutations)(random, bytes, other);
  return bytes;
}
