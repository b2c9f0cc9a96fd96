import { textOf } from '../runtime/printable.ts';
import type { RawBytes } from '../schemas/generated.ts';

/** Makes an alert's texts of bytes, and keeps the bytes of those that are no text. */
export class AlertText {
  /** By field of the alert, those whose bytes are no valid UTF-8. */
  readonly rawBytes: RawBytes[] = [];

  /** The text of `bytes` for the alert's `field`. */
  of(field: string, bytes: Uint8Array): string {
    const { text, valid } = textOf(bytes);
    if (!valid) this.rawBytes.push({ field, bytes });
    return text;
  }
}

/** `parts` with a space between each two. */
export function joinWithSpaces(parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(
    Math.max(
      0,
      parts.reduce((sum, part) => sum + part.length + 1, -1),
    ),
  ).fill(0x20);
  let place = 0;
  for (const part of parts) {
    joined.set(part, place);
    place += part.length + 1;
  }
  return joined;
}
