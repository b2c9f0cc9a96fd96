/** Files that the rings' benches name: fewer than a batch has events would be remembered too easily. */
export const pathCount = 5000;

const folders = [
  '/usr/lib/x86_64-linux-gnu',
  '/usr/share/zoneinfo',
  '/usr/lib/python3/dist-packages',
  '/var/lib/postgresql/15/main/base',
  '/srv/application/node_modules',
  '/opt/java/openjdk/lib',
  '/home/worker/.cache',
  '/etc',
];
const words = ['core', 'index', 'module', 'schema', 'worker', 'cache', 'session', 'template', 'locale', 'segment'];
const endings = ['.so.6', '.py', '.json', '.js', '.conf', '.db', '.class', ''];

/** A seeded generator of numbers from 0 to `below` - 1: Marsaglia's xorshift, "Xorshift RNGs" (2003), with 32 bits. */
function numbersFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

/**
 * `pathCount` distinct absolute paths, always the same: 63 bytes on average. The files below /usr and /etc of a Debian have 69.
 */
export function seededPaths(): readonly string[] {
  const number = numbersFrom(20_250_301);
  const chosen = (from: readonly string[]): string => from[number(from.length)] ?? '';
  const paths = new Set<string>();
  while (paths.size < pathCount) {
    const parts = Array.from({ length: number(5) }, () => `${chosen(words)}-${number(40)}`);
    const name = `${chosen(words)}_${chosen(words)}${number(1000)}${chosen(endings)}`;
    paths.add([chosen(folders), ...parts, name].join('/'));
  }
  return [...paths];
}
