import type avro from 'avsc';

/** CRC-64-AVRO of the parsing canonical form, which is what avsc's `schema()` gives by default. */
export function fingerprintOf(type: avro.Type): bigint {
  return crc64Avro(Buffer.from(JSON.stringify(type.schema()), 'utf8'));
}

/** The Rabin fingerprint of Avro 1.11, "Schema Fingerprints". Bit by bit: it runs once a schema. */
function crc64Avro(bytes: Uint8Array): bigint {
  const empty = 0xc15d213aa4d7a795n;
  let fingerprint = empty;
  for (const byte of bytes) {
    fingerprint ^= BigInt(byte);
    for (let bit = 0; bit < 8; bit++) {
      fingerprint = (fingerprint >> 1n) ^ (fingerprint & 1n ? empty : 0n);
    }
  }
  return fingerprint;
}
