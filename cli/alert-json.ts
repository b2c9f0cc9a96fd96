import type { Alert } from '../schemas/generated.ts';
import { kubeArmorAlert } from './kubearmor-json.ts';

/**
 * An alert as one line of JSON, complete: KubeArmor's fields as its clients print them, then `Palisade` with every field of the
 * topic's record in the order of its schema. The same alert is always the same line: 64-bit numbers are text, since a JSON
 * number would lose them past 2^53, and bytes are hexadecimal.
 */
export function alertJsonLine(alert: Alert): string {
  const line = JSON.stringify({ ...kubeArmorAlert(alert), Palisade: alert }, plain);
  return line.replace(
    /[\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** `JSON.stringify` has asked a Buffer for its `toJSON` before it gets here: the holder still has the bytes. */
function plain(this: Readonly<Record<string, unknown>>, key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString();
  const held = this[key];
  return held instanceof Uint8Array ? Buffer.from(held).toString('hex') : value;
}
