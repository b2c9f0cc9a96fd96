import test from 'ava';
import fc from 'fast-check';
import { createCrc32c } from '../../eventlog/crc32c.ts';

const crc32c = createCrc32c();

// RFC 3720, appendix B.4, and the check value of the CRC catalogue (CRC-32/ISCSI).
for (const [title, bytes, expected] of [
  ['32 bytes of zeroes', new Uint8Array(32), 0x8a9136aa],
  ['32 bytes of ones', new Uint8Array(32).fill(0xff), 0x62a8ab43],
  ['32 rising bytes', Uint8Array.from({ length: 32 }, (_, place) => place), 0x46dd794e],
  ['the digits 1 to 9', Buffer.from('123456789'), 0xe3069283],
  ['no bytes', new Uint8Array(), 0],
] as const) {
  test(`the checksum of ${title} is the published one`, (t) => {
    t.is(crc32c(bytes), expected);
  });
}

test('a bit that flips anywhere changes the checksum', (t) => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 1, maxLength: 100 }),
      fc.nat(),
      fc.nat({ max: 7 }),
      (bytes, position, bit) => {
        const before = crc32c(bytes);
        const place = position % bytes.length;
        bytes[place] = (bytes[place] ?? 0) ^ (1 << bit);
        t.not(crc32c(bytes), before);
      },
    ),
  );
});
