import path from 'node:path';
import fc from 'fast-check';
import test from 'ava';
import { cleanPath } from '../../matcher/clean-path.ts';

const piece = fc.constantFrom('.', '..', '', 'a', 'bc', '...', '.d', 'e f', '\u00fc');
const pieces = fc.array(piece, { maxLength: 8 }).map((parts) => parts.join('/'));

test('a path is cleaned as POSIX says', (t) => {
  const property = fc.property(pieces, pieces, fc.boolean(), (typed, base, isAbsolute) => {
    const text = isAbsolute ? `/${typed}` : typed;
    const clean = cleanPath(Buffer.from(text), Buffer.from(`/${base}`));
    t.is(Buffer.from(clean).toString(), path.posix.resolve(`/${base}`, text));
  });
  fc.assert(property);
});

test('bytes that are no text stay as they are', (t) => {
  t.deepEqual(
    [...cleanPath(Uint8Array.of(0xff, 0x2f, 0x2e, 0x2f, 0xc3), Buffer.from('/d'))],
    [...Buffer.from('/d/'), 0xff, 0x2f, 0xc3],
  );
});
