const slash = 0x2f;
const dot = 0x2e;

/**
 * `path` made absolute against `base` and clean: `.`, `..` and repeated slashes resolved by text alone, no final slash.
 * Links are not known here. Bytes in, bytes out.
 */
export function cleanPath(path: Uint8Array, base: Uint8Array): Uint8Array {
  if (isClean(path)) return path;
  const absolute = path[0] === slash;
  const components: Uint8Array[] = [];
  for (const part of absolute ? [path] : [base, path]) {
    let start = 0;
    for (let end = 0; end <= part.length; end++) {
      if (end < part.length && part[end] !== slash) continue;
      const length = end - start;
      const isDot = length === 1 && part[start] === dot;
      const isDotDot = length === 2 && part[start] === dot && part[start + 1] === dot;
      if (isDotDot) components.pop();
      else if (length > 0 && !isDot) components.push(part.subarray(start, end));
      start = end + 1;
    }
  }
  if (components.length === 0) return Uint8Array.of(slash);
  const clean = new Uint8Array(components.reduce((sum, component) => sum + component.length + 1, 0));
  let place = 0;
  for (const component of components) {
    clean[place] = slash;
    clean.set(component, place + 1);
    place += component.length + 1;
  }
  return clean;
}

/** Absolute, and nothing to resolve: what nearly every path is. One that has a component that begins with a dot may not be. */
function isClean(path: Uint8Array): boolean {
  const { length } = path;
  if (path[0] !== slash || (length > 1 && path[length - 1] === slash)) return false;
  for (let place = 1; place < length; place++) {
    const byte = path[place];
    if ((byte === slash || byte === dot) && path[place - 1] === slash) return false;
  }
  return true;
}
