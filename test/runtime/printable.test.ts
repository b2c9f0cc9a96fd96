import test from 'ava';
import fc from 'fast-check';
import { printable, textOf } from '../../runtime/printable.ts';

test('valid UTF-8 stays as it is', (t) => {
  const bytes = Buffer.from('/tmp/naïve 文件\n"');
  t.deepEqual(textOf(bytes), { text: '/tmp/naïve 文件\n"', valid: true });
});

test('a byte that is not UTF-8 is written as \\xNN and the text is marked', (t) => {
  t.deepEqual(textOf(Buffer.from([0x2f, 0x61, 0xff, 0x62])), { text: '/a\\xffb', valid: false });
});

test('a truncated sequence and an encoded surrogate are escaped byte by byte', (t) => {
  t.is(textOf(Buffer.from([0xe2, 0x82])).text, '\\xe2\\x82');
  t.is(textOf(Buffer.from([0xed, 0xa0, 0x80])).text, '\\xed\\xa0\\x80');
});

test('text is marked valid exactly where encoding it gives the bytes back', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      const made = textOf(bytes);
      return made.valid === Buffer.from(new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)).equals(bytes);
    }),
  );
  t.pass();
});

test('nothing that moves a cursor, breaks a line or turns text around survives printable', (t) => {
  t.is(printable('a\n\u001b[2Jb\u202ec\u009b'), 'a\\n\\x1b[2Jb\\u{202e}c\\x9b');
});
