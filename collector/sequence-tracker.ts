import type { AvroWriter } from './avro-writer.ts';

/** CPUs told apart: NR_CPUS of Debian's kernels. Events of a CPU beyond it are not valid. */
export const cpusMax = 8192;

/** What of each CPU's sequence numbers is in a batch: the first, the last and how many. */
export class SequenceTracker {
  /** Slot cpu + 1: what /proc told has CPU -1. */
  #first = new Float64Array(0);
  #last = new Float64Array(0);
  #count = new Float64Array(0);
  #cpus = 0;

  /** `cpu` from -1 to `cpusMax - 1`. Numbers come almost in order: programs nest. */
  add(cpu: number, sequence: number): void {
    const slot = cpu + 1;
    if (slot >= this.#count.length) this.#grow(slot);
    const count = this.#count[slot] ?? 0;
    if (count === 0) {
      this.#cpus += 1;
      this.#first[slot] = sequence;
      this.#last[slot] = sequence;
    } else if (sequence > (this.#last[slot] ?? 0)) {
      this.#last[slot] = sequence;
    } else if (sequence < (this.#first[slot] ?? 0)) {
      this.#first[slot] = sequence;
    }
    this.#count[slot] = count + 1;
  }

  /** Writes the Avro array RawEventBatch.sequences and begins anew. */
  flush(writer: AvroWriter): void {
    writer.reserve(this.#cpus * 35 + 6);
    if (this.#cpus > 0) writer.int(this.#cpus);
    for (let slot = 0; slot < this.#count.length; slot++) {
      const count = this.#count[slot] ?? 0;
      if (count === 0) continue;
      writer.int(slot - 1);
      writer.number(this.#first[slot] ?? 0);
      writer.number(this.#last[slot] ?? 0);
      writer.number(count);
      this.#count[slot] = 0;
    }
    writer.int(0);
    this.#cpus = 0;
  }

  #grow(slot: number): void {
    const larger = (array: Float64Array): Float64Array<ArrayBuffer> => {
      const grown = new Float64Array(Math.max(slot + 1, 2 * array.length));
      grown.set(array);
      return grown;
    };
    this.#first = larger(this.#first);
    this.#last = larger(this.#last);
    this.#count = larger(this.#count);
  }
}
