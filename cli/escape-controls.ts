/**
 * JSON text with DEL, C1 and bidirectional controls as `\uXXXX`, which a parser reads back as the same text. JSON itself
 * escapes only what is below U+0020, and these too can turn a terminal around.
 */
export function escapeControls(json: string): string {
  return json.replace(
    /[\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
