/*
 * CRC-32C (Castagnoli, RFC 3720 appendix B.4; as Kafka has it for its batches), eight bytes a step ("slicing-by-8",
 * Kounavis and Berry, 2008). Node's own `zlib.crc32` is the other polynomial, which guarantees less on values of 100 KB
 * (Koopman, "32-Bit Cyclic Redundancy Codes for Internet Applications", 2002).
 */
const polynomial = 0x82f63b78;

function makeTables(): Int32Array {
  const tables = new Int32Array(8 * 256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? polynomial : 0);
    tables[byte] = crc;
  }
  for (let place = 256; place < tables.length; place++) {
    const before = tables[place - 256] ?? 0;
    tables[place] = (before >>> 8) ^ (tables[before & 0xff] ?? 0);
  }
  return tables;
}

/**
 * From bytes to their CRC-32C, an unsigned number. With `before`, that of bytes that stand ahead of them: of all of them as one.
 */
export type Crc32c = (bytes: Uint8Array, before?: number) => number;

/** Making it takes 8 KB and some microseconds. */
export function createCrc32c(): Crc32c {
  const table = makeTables();
  const at = (slice: number, byte: number): number => table[(slice << 8) | byte] ?? 0;
  return (bytes, before = 0) => {
    let crc = ~before;
    let position = 0;
    for (const end = bytes.length - 7; position < end; position += 8) {
      const byte = (place: number): number => bytes[position + place] ?? 0;
      const low = crc ^ (byte(0) | (byte(1) << 8) | (byte(2) << 16) | (byte(3) << 24));
      crc =
        at(7, low & 0xff) ^
        at(6, (low >>> 8) & 0xff) ^
        at(5, (low >>> 16) & 0xff) ^
        at(4, low >>> 24) ^
        at(3, byte(4)) ^
        at(2, byte(5)) ^
        at(1, byte(6)) ^
        at(0, byte(7));
    }
    for (; position < bytes.length; position++) crc = (crc >>> 8) ^ at(0, (crc ^ (bytes[position] ?? 0)) & 0xff);
    return ~crc >>> 0;
  };
}
