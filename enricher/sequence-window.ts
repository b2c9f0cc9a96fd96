/**
 * How far a row may come behind the newest of its CPU and still be told from a repeat. Programs nest on a CPU and, where a
 * tracepoint may be preempted, wait there; a number that is still missing this far behind is a gap for good.
 */
export const sequenceWindow = 1_024;

const words = sequenceWindow / 32;

/** Which sequence numbers of one CPU and session have come: exact for the last `sequenceWindow`, counted below. */
export class SequenceWindow {
  readonly cpu: number;
  /** The highest number that came; 0 before the first. */
  highest = 0;
  /** Distinct numbers that came. */
  received = 0;
  /** Rows that were a repeat, or came when their number had been given up. */
  repeated = 0;
  /** Bit n % sequenceWindow is set where n, one of the last numbers up to `highest`, has come. */
  readonly #bits = new Uint32Array(words);

  constructor(cpu: number) {
    this.cpu = cpu;
    // Numbers begin at 1: what is below counts as come.
    this.#bits.fill(0xffffffff);
  }

  /** Whether `sequence` comes for the first time; counts it either way. */
  accept(sequence: number): boolean {
    if (sequence > this.highest) {
      this.#forget(sequence);
      this.highest = sequence;
      this.received += 1;
      return true;
    }
    const place = sequence % sequenceWindow;
    const word = place >>> 5;
    const bit = 1 << (place & 31);
    if (sequence <= this.highest - sequenceWindow || sequence < 1 || ((this.#bits[word] ?? 0) & bit) !== 0) {
      this.repeated += 1;
      return false;
    }
    this.#bits[word] = (this.#bits[word] ?? 0) | bit;
    this.received += 1;
    return true;
  }

  /** The bits as a state record has them: empty where none of the last numbers is missing. */
  windowBytes(): Uint8Array {
    if (this.#bits.every((word) => word === 0xffffffff)) return new Uint8Array(0);
    const bytes = new Uint8Array(words * 4);
    const view = new DataView(bytes.buffer);
    this.#bits.forEach((word, index) => {
      view.setUint32(index * 4, word, true);
    });
    return bytes;
  }

  /** The inverse of `windowBytes`. */
  restoreWindow(bytes: Uint8Array): void {
    if (bytes.length !== words * 4) {
      this.#bits.fill(0xffffffff);
      return;
    }
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let index = 0; index < words; index++) this.#bits[index] = view.getUint32(index * 4, true);
  }

  /** Makes room for the numbers after `highest` up to `sequence`, which has come; those between have not. */
  #forget(sequence: number): void {
    if (sequence - this.highest >= sequenceWindow) this.#bits.fill(0);
    else {
      for (let number = this.highest + 1; number < sequence; number++) {
        const place = number % sequenceWindow;
        this.#bits[place >>> 5] = (this.#bits[place >>> 5] ?? 0) & ~(1 << (place & 31));
      }
    }
    const place = sequence % sequenceWindow;
    this.#bits[place >>> 5] = (this.#bits[place >>> 5] ?? 0) | (1 << (place & 31));
  }
}
