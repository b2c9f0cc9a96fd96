const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Text made of bytes that a kernel or an attacker chose. */
export interface PrintableText {
  /** Valid UTF-8 as it is; else every byte that is not part of a valid sequence as `\xNN`. */
  readonly text: string;
  /** Whether the bytes were valid UTF-8. Where false, keep the bytes beside the text: `text` may be ambiguous. */
  readonly valid: boolean;
}

/**
 * Makes text of bytes, for alerts, SQL and JSON: the one place where bytes become text. It does not hide control
 * characters, which are legitimate in a file name: what goes to a terminal or a log line goes through `printable()` too.
 */
export function textOf(bytes: Uint8Array): PrintableText {
  try {
    return { text: strictUtf8.decode(bytes), valid: true };
  } catch {
    // Not valid as a whole: keep the valid stretches, escape the rest byte by byte.
    return { text: escapeInvalid(bytes), valid: false };
  }
}

/** `text` with control characters, terminal escapes and bidirectional overrides as `\n`, `\xNN` or `\u{…}`: safe on a terminal and on one line. */
export function printable(text: string): string {
  return text.replace(
    /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/gu,
    (character) => {
      const code = character.codePointAt(0) ?? 0;
      if (character === '\n') return '\\n';
      if (character === '\t') return '\\t';
      if (character === '\r') return '\\r';
      return code <= 0xff ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`;
    },
  );
}

function escapeInvalid(bytes: Uint8Array): string {
  let text = '';
  let start = 0;
  while (start < bytes.length) {
    const length = sequenceLength(bytes, start);
    if (length === 0) {
      text += `\\x${(bytes[start] ?? 0).toString(16).padStart(2, '0')}`;
      start += 1;
    } else {
      text += strictUtf8.decode(bytes.subarray(start, start + length));
      start += length;
    }
  }
  return text;
}

/** Length of the valid UTF-8 sequence at `start`, 0 where there is none (RFC 3629, section 4). */
function sequenceLength(bytes: Uint8Array, start: number): number {
  const first = bytes[start] ?? 0;
  if (first < 0x80) return 1;
  const length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 0;
  if (length === 0 || first > 0xf4 || start + length > bytes.length) return 0;
  const second = bytes[start + 1] ?? 0;
  const low = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
  const high = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
  if (second < low || second > high) return 0;
  for (let place = start + 2; place < start + length; place++) {
    const byte = bytes[place] ?? 0;
    if (byte < 0x80 || byte > 0xbf) return 0;
  }
  return length;
}
