/**
 * JSON on one line that steers no terminal. JSON escapes all below U+0020; DEL, C1 and bidirectional controls it does not. Every
 * JSON parser reads the same text out of it.
 */
export function jsonText(value: unknown): string {
  return JSON.stringify(value).replace(
    /[\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
