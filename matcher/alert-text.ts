import { textOf } from '../runtime/printable.ts';
import type { RawBytes } from '../schemas/generated.ts';

/**
 * Longest text of an alert, in bytes of the kernel: an exec's path and arguments, the longest that a collector tells, have
 * 12 KiB. A node that says more, by few bytes said many times, gets the beginning.
 */
const maxTextBytes = 16 * 1024;

const space = Uint8Array.of(0x20);

/** Makes an alert's texts of bytes, and keeps the bytes of those that are no text. */
export class AlertText {
  /** By field of the alert, those whose bytes are no valid UTF-8. */
  readonly rawBytes: RawBytes[] = [];

  /** The text of these bytes for the alert's `field`. */
  of(field: string, all: Uint8Array): string {
    const bytes = all.subarray(0, maxTextBytes);
    const { text, valid } = textOf(bytes);
    if (!valid) this.rawBytes.push({ field, bytes });
    return text;
  }
}

/** `parts` with a space between each two; what is beyond the longest text is left out. */
export function joinWithSpaces(parts: readonly Uint8Array[]): Uint8Array {
  const joined: Uint8Array[] = [];
  let length = 0;
  for (const part of parts) {
    if (length > maxTextBytes) break;
    if (joined.length > 0) joined.push(space);
    joined.push(part.subarray(0, maxTextBytes));
    length += part.length + 1;
  }
  return Buffer.concat(joined);
}
