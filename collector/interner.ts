import { AvroWriter } from './avro-writer.ts';

/** Slots of a table at first; a power of two. */
const slotsFirst = 256;

/** An open-addressed table of entry numbers by hash: what both interners below stand on. At most half full. */
class HashSlots {
  /** Entry number + 1; 0: free. */
  #slots = new Int32Array(slotsFirst);
  #hashes = new Int32Array(slotsFirst);
  count = 0;

  /** The first slot to look at. */
  first(hash: number): number {
    return hash & (this.#slots.length - 1);
  }

  next(slot: number): number {
    return (slot + 1) & (this.#slots.length - 1);
  }

  /** Number of the entry in a slot; -1 where the slot is free; -2 where it is another hash's. */
  entry(slot: number, hash: number): number {
    const entry = (this.#slots[slot] ?? 0) - 1;
    return entry >= 0 && this.#hashes[entry] !== hash ? -2 : entry;
  }

  /** Puts the next entry into a free slot and returns its number. */
  add(slot: number, hash: number): number {
    const entry = this.count++;
    this.#slots[slot] = entry + 1;
    this.#hashes[entry] = hash;
    if (2 * this.count > this.#slots.length) this.#grow();
    return entry;
  }

  clear(): void {
    this.#slots.fill(0);
    this.count = 0;
  }

  #grow(): void {
    const hashes = new Int32Array(2 * this.#slots.length);
    hashes.set(this.#hashes);
    this.#hashes = hashes;
    this.#slots = new Int32Array(hashes.length);
    for (let entry = 0; entry < this.count; entry++) {
      let slot = this.first(hashes[entry] ?? 0);
      while (this.#slots[slot] !== 0) slot = this.next(slot);
      this.#slots[slot] = entry + 1;
    }
  }
}

/** Gives each distinct byte string of a batch a number, from 0. What it holds is already the items of an Avro array of bytes. */
export class BytesInterner {
  readonly items = new AvroWriter(1 << 16);
  readonly #slots = new HashSlots();
  /** By entry: where its bytes begin in `items`, and how many there are. */
  #starts = new Int32Array(slotsFirst);
  #lengths = new Int32Array(slotsFirst);
  #bytes: Uint8Array = this.items.bytes;
  #view = new DataView(this.items.bytes.buffer);

  get count(): number {
    return this.#slots.count;
  }

  /** The number of `from[start .. end)`. `view` is of the same bytes: four are hashed and compared at once. */
  intern(from: Uint8Array, view: DataView, start: number, end: number): number {
    const length = end - start;
    const wordsEnd = end - 3;
    let hash = 0x811c9dc5 ^ length;
    let place = start;
    for (; place < wordsEnd; place += 4) hash = mixed(hash, view.getInt32(place, true));
    for (; place < end; place++) hash = mixed(hash, from[place] ?? 0);
    const slots = this.#slots;
    let slot = slots.first(hash);
    for (;;) {
      const entry = slots.entry(slot, hash);
      if (entry === -1) break;
      if (entry >= 0 && this.#lengths[entry] === length && this.#equals(entry, from, view, start, end)) return entry;
      slot = slots.next(slot);
    }
    const entry = slots.add(slot, hash);
    if (entry >= this.#starts.length) {
      this.#starts = grown(this.#starts);
      this.#lengths = grown(this.#lengths);
    }
    this.items.reserve(length + 5);
    if (this.#bytes !== this.items.bytes) {
      this.#bytes = this.items.bytes;
      this.#view = new DataView(this.items.bytes.buffer);
    }
    this.items.slice(from, start, end);
    this.#starts[entry] = this.items.length - length;
    this.#lengths[entry] = length;
    return entry;
  }

  clear(): void {
    this.#slots.clear();
    this.items.length = 0;
  }

  #equals(entry: number, from: Uint8Array, view: DataView, start: number, end: number): boolean {
    const own = this.#view;
    const bytes = this.#bytes;
    let held = this.#starts[entry] ?? 0;
    let place = start;
    for (const wordsEnd = end - 3; place < wordsEnd; place += 4, held += 4) {
      if (own.getInt32(held, true) !== view.getInt32(place, true)) return false;
    }
    for (; place < end; place++, held++) if (bytes[held] !== from[place]) return false;
    return true;
  }
}

/** Gives each distinct tuple of 32-bit numbers a number, from 0. Tuples may differ in length. */
export class WordsInterner {
  readonly #slots = new HashSlots();
  #words = new Int32Array(1 << 13);
  #used = 0;
  /** By entry: where its words begin. The next entry's start is its end. */
  #starts = new Int32Array(slotsFirst);

  get count(): number {
    return this.#slots.count;
  }

  /** The number of `from[0 .. length)`; it was not there before where it is `count - 1` and `count` has risen. */
  intern(from: Int32Array, length: number): number {
    let hash = 0x811c9dc5 ^ length;
    for (let place = 0; place < length; place++) hash = mixed(hash, from[place] ?? 0);
    const slots = this.#slots;
    let slot = slots.first(hash);
    for (;;) {
      const entry = slots.entry(slot, hash);
      if (entry === -1) break;
      if (entry >= 0 && this.equals(entry, from, length)) return entry;
      slot = slots.next(slot);
    }
    const entry = slots.add(slot, hash);
    while (this.#used + length > this.#words.length) this.#words = grown(this.#words);
    for (let place = 0; place < length; place++) this.#words[this.#used + place] = from[place] ?? 0;
    if (entry + 1 >= this.#starts.length) this.#starts = grown(this.#starts);
    this.#starts[entry] = this.#used;
    this.#used += length;
    this.#starts[entry + 1] = this.#used;
    return entry;
  }

  clear(): void {
    this.#slots.clear();
    this.#used = 0;
  }

  /** Whether an entry is `from[0 .. length)`. */
  equals(entry: number, from: Int32Array, length: number): boolean {
    const start = this.#starts[entry] ?? 0;
    if ((this.#starts[entry + 1] ?? 0) - start !== length) return false;
    for (let place = 0; place < length; place++) if (this.#words[start + place] !== from[place]) return false;
    return true;
  }
}

/** One step of a multiplicative hash; the shift carries what the product has above into the low bits, which choose the slot. */
function mixed(hash: number, word: number): number {
  const product = Math.imul(hash ^ word, 0x9e3779b1);
  return product ^ (product >>> 15);
}

function grown(array: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(2 * array.length);
  larger.set(array);
  return larger;
}
