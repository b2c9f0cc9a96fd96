/** Number and length of the input, 4 bytes each, little endian; then the input. What follows is of longer ones before it. */
const headBytes = 8;

/** What a process writes before it runs an input. */
export function inputFileBytes(number: number, input: Uint8Array): Uint8Array {
  const bytes = Buffer.allocUnsafe(headBytes + input.length);
  bytes.writeUInt32LE(number, 0);
  bytes.writeUInt32LE(input.length, 4);
  bytes.set(input, headBytes);
  return bytes;
}

/** The input at hand and its number, from 1; number 0: none yet. */
export function readInputFile(bytes: Buffer): { readonly number: number; readonly input: Uint8Array } {
  if (bytes.length < headBytes) return { number: 0, input: new Uint8Array(0) };
  return {
    number: bytes.readUInt32LE(0),
    input: bytes.subarray(headBytes, headBytes + bytes.readUInt32LE(4)),
  };
}
