const slash = 0x2f;
const dot = 0x2e;

/** A path made of a directory and what was typed. */
export interface ComposedPath {
  /** Length in the buffer that it was written into. */
  readonly length: number;
  /** The directory was not whole, or not known: the path is a suffix and does not begin with `/`. */
  readonly isSuffix: boolean;
  /** What was typed begins with `/`: the directory plays no part. */
  readonly isAbsolute: boolean;
  /** What was typed is one component, of the directory or of the root, and neither `.` nor `..`. */
  readonly isName: boolean;
}

/**
 * Writes `base` and `typed` into `into`, cleaned lexically: no empty component, no `.`, and `..` takes the component before
 * it away. A typed path that begins with `/` stands alone. `into` must hold both and two bytes more. Symbolic links are not
 * known here, so what comes out is a guess where one is followed by `..`.
 */
export function composePath(into: Uint8Array, base: Uint8Array, typed: Uint8Array): ComposedPath {
  const isAbsolute = typed[0] === slash;
  const isRooted = isAbsolute || base[0] === slash;
  const isName = isOneName(typed);
  let length = isAbsolute ? 0 : appendClean(into, 0, base);
  length = appendClean(into, length, typed);
  if (isRooted) {
    if (length > 0) return { length, isSuffix: false, isAbsolute, isName };
    into[0] = slash;
    return { length: 1, isSuffix: false, isAbsolute, isName };
  }
  // Every component was written with a slash ahead of it.
  into.copyWithin(0, 1, length);
  return { length: Math.max(0, length - 1), isSuffix: true, isAbsolute, isName };
}

/** Whether `typed` is one component: slashes ahead of it or behind it do not count, as they lead nowhere else. */
function isOneName(typed: Uint8Array): boolean {
  let start = 0;
  let end = typed.length;
  while (start < end && typed[start] === slash) start += 1;
  while (end > start && typed[end - 1] === slash) end -= 1;
  const size = end - start;
  if (size === 0 || (size <= 2 && typed[start] === dot && typed[end - 1] === dot)) return false;
  return !typed.subarray(start, end).includes(slash);
}

/** Adds each component of `path` as `/component` to what `into` has up to `length`; returns the new length. */
function appendClean(into: Uint8Array, length: number, path: Uint8Array): number {
  let start = 0;
  while (start < path.length) {
    let end = start;
    while (end < path.length && path[end] !== slash) end += 1;
    const size = end - start;
    if (size === 2 && path[start] === dot && path[start + 1] === dot) {
      while (length > 0 && into[length - 1] !== slash) length -= 1;
      if (length > 0) length -= 1;
    } else if (size > 0 && !(size === 1 && path[start] === dot)) {
      into[length++] = slash;
      for (let place = start; place < end; place++) into[length++] = path[place] ?? 0;
    }
    start = end + 1;
  }
  return length;
}
