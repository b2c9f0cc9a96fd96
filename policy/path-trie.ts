import type { ByteString } from './root-links.ts';

/** How an entry of the trie covers paths: its own path, what is directly inside, or anything below. Directories end in `/`. */
export type EntryKind = 'exact' | 'directory' | 'recursive';

/** What a trie is built of. */
export interface TrieEntry {
  readonly bytes: ByteString;
  readonly kind: EntryKind;
  /** What the walk reports: any number below 2^32. */
  readonly value: number;
}

/**
 * Exact paths and directories as a trie over bytes, in flat arrays. Nodes are numbered breadth first, children of a node in
 * the order of their bytes, so the children of node n are `firstChild[n]` to `firstChild[n + 1] - 1` and an edge needs no
 * target: 9 bytes a node, and at most one node for each byte of the entries.
 */
export interface PathTrie {
  /** The byte that leads into a node; 0 for the root, node 0. */
  readonly labels: Uint8Array;
  readonly firstChild: Uint32Array;
  /** Place in `acceptStarts` of what is accepted at a node, plus 1; 0: nothing. */
  readonly accepts: Uint32Array;
  /** For each accepting node three places in `values`: where exact, directory and recursive entries begin; one end after all. */
  readonly acceptStarts: Uint32Array;
  readonly values: Uint32Array;
}

/** What a walk found, reused from walk to walk: `values` and, for each, whether the path is the entry's directory itself. */
export interface Hits {
  count: number;
  values: Uint32Array;
  isDirectoryItself: Uint8Array;
}

const slash = 0x2f;

/** Up to this many children are searched one by one, which is faster than halving (most nodes have one). */
const linearSearchMax = 8;

/** An empty buffer, which grows to the most that one walk finds. */
export function createHits(): Hits {
  return { count: 0, values: new Uint32Array(64), isDirectoryItself: new Uint8Array(64) };
}

/** Time and memory are linear in the entries' bytes, but for sorting them. */
export function buildPathTrie(entries: readonly TrieEntry[]): PathTrie {
  const byKey = new Map<ByteString, TrieEntry[]>();
  for (const entry of entries) {
    const same = byKey.get(entry.bytes);
    if (same === undefined) byKey.set(entry.bytes, [entry]);
    else same.push(entry);
  }
  const keys = [...byKey.keys()].sort();

  const labels: number[] = [0];
  const firstChild: number[] = [];
  const accepts: number[] = [];
  const acceptStarts: number[] = [];
  const values: number[] = [];
  // Node n stands for keys[low[n]] to keys[high[n] - 1], which agree in their first depth[n] bytes.
  const low: number[] = [0];
  const high: number[] = [keys.length];
  const depth: number[] = [0];
  for (let node = 0; node < labels.length; node++) {
    let place = low[node] ?? 0;
    const end = high[node] ?? 0;
    const at = depth[node] ?? 0;
    firstChild.push(labels.length);
    const key = keys[place];
    if (key?.length === at) {
      accepts.push(acceptStarts.length / 3 + 1);
      for (const kind of ['exact', 'directory', 'recursive']) {
        acceptStarts.push(values.length);
        for (const entry of byKey.get(key) ?? []) if (entry.kind === kind) values.push(entry.value);
      }
      place += 1;
    } else {
      accepts.push(0);
    }
    while (place < end) {
      const label = keys[place]?.charCodeAt(at) ?? 0;
      let next = place + 1;
      while (next < end && keys[next]?.charCodeAt(at) === label) next += 1;
      labels.push(label);
      low.push(place);
      high.push(next);
      depth.push(at + 1);
      place = next;
    }
  }
  firstChild.push(labels.length);
  acceptStarts.push(values.length);
  return {
    labels: Uint8Array.from(labels),
    firstChild: Uint32Array.from(firstChild),
    accepts: Uint32Array.from(accepts),
    acceptStarts: Uint32Array.from(acceptStarts),
    values: Uint32Array.from(values),
  };
}

/**
 * Adds to `hits` every entry that covers the absolute path: its exact entries, the directory that it is directly in, the
 * recursive directories above it, and, marked, the directory that it may be itself. Takes time proportional to the path and
 * to what is found, whatever the size of the trie.
 */
export function walkPath(trie: PathTrie, path: Uint8Array, hits: Hits): void {
  const length = path.length;
  if (path[0] !== slash) return;
  const lastSlash = path.lastIndexOf(slash);
  let node = 0;
  for (let place = 0; place < length; place++) {
    node = childOf(trie, node, path[place] ?? 0);
    if (node === 0) return;
    if (path[place] !== slash || place + 1 === length) continue;
    const accept = trie.accepts[node] ?? 0;
    if (accept === 0) continue;
    if (place === lastSlash) report(trie, accept, 1, 2, 0, hits);
    report(trie, accept, 2, 3, 0, hits);
  }
  const accept = trie.accepts[node] ?? 0;
  if (accept !== 0) report(trie, accept, 0, 1, 0, hits);
  // The directory itself: the path with a final `/`; the root has one already.
  const itself = lastSlash === length - 1 ? node : childOf(trie, node, slash);
  const acceptItself = itself === 0 ? 0 : (trie.accepts[itself] ?? 0);
  if (acceptItself !== 0) report(trie, acceptItself, 1, 3, 1, hits);
}

/** Adds to `hits` the exact entries for the bytes from `start` to the end. */
export function findExact(trie: PathTrie, bytes: Uint8Array, start: number, hits: Hits): void {
  let node = 0;
  for (let place = start; place < bytes.length; place++) {
    node = childOf(trie, node, bytes[place] ?? 0);
    if (node === 0) return;
  }
  const accept = trie.accepts[node] ?? 0;
  if (accept !== 0) report(trie, accept, 0, 1, 0, hits);
}

/** The child by a byte; 0, which is nobody's child, where there is none. */
function childOf(trie: PathTrie, node: number, byte: number): number {
  const labels = trie.labels;
  let low = trie.firstChild[node] ?? 0;
  let high = trie.firstChild[node + 1] ?? 0;
  while (high - low > linearSearchMax) {
    const middle = (low + high) >>> 1;
    if ((labels[middle] ?? 0) <= byte) low = middle;
    else high = middle;
  }
  for (; low < high; low++) if (labels[low] === byte) return low;
  return 0;
}

function report(trie: PathTrie, accept: number, from: number, to: number, isDirectoryItself: 0 | 1, hits: Hits): void {
  const start = trie.acceptStarts[(accept - 1) * 3 + from] ?? 0;
  const end = trie.acceptStarts[(accept - 1) * 3 + to] ?? 0;
  for (let place = start; place < end; place++) addHit(hits, trie.values[place] ?? 0, isDirectoryItself);
}

/** Adds one hit. */
export function addHit(hits: Hits, value: number, isDirectoryItself: 0 | 1): void {
  if (hits.count === hits.values.length) grow(hits);
  hits.values[hits.count] = value;
  hits.isDirectoryItself[hits.count] = isDirectoryItself;
  hits.count += 1;
}

function grow(hits: Hits): void {
  const values = new Uint32Array(hits.values.length * 2);
  values.set(hits.values);
  const isDirectoryItself = new Uint8Array(values.length);
  isDirectoryItself.set(hits.isDirectoryItself);
  hits.values = values;
  hits.isDirectoryItself = isDirectoryItself;
}
