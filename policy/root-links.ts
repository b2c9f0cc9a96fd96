import type { RootLink } from '../schemas/generated.ts';

/**
 * A path's bytes as text, one character (U+0000 to U+00FF) a byte: compares, slices and sorts as the bytes do. Only inside
 * this folder; never shown to anybody.
 */
export type ByteString = string;

/** The bytes, one character each. */
export function byteStringOf(bytes: Uint8Array): ByteString {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}

/** The bytes of text as the kernel would have them: UTF-8. */
export function byteStringOfText(text: string): ByteString {
  return Buffer.from(text, 'utf8').toString('latin1');
}

/** The bytes that a byte string stands for, in memory of their own. */
export function bytesOf(text: ByteString): Uint8Array {
  return Buffer.from(text, 'latin1');
}

/** A symbolic link: `from/x` is the file `to/x`. Both absolute, without a final `/`. */
export interface ResolvedLink {
  readonly from: ByteString;
  readonly to: ByteString;
}

/**
 * The links of a root that are not known are taken to be these: merged /usr (Debian, Fedora, Ubuntu, Arch) and the move of
 * /var/run and /var/lock to /run. On a root that has real directories of these names both forms then match.
 */
export const usualRootLinks: readonly ResolvedLink[] = [
  { from: '/bin', to: '/usr/bin' },
  { from: '/sbin', to: '/usr/sbin' },
  { from: '/lib', to: '/usr/lib' },
  { from: '/lib32', to: '/usr/lib32' },
  { from: '/lib64', to: '/usr/lib64' },
  { from: '/libx32', to: '/usr/libx32' },
  { from: '/var/run', to: '/run' },
  { from: '/var/lock', to: '/run/lock' },
];

/** Longest chain of links that is followed; the kernel's own limit is 40 (MAXSYMLINKS), roots have one or two. */
const maxLinkChain = 8;

/**
 * A descriptor's links, in the form that rules are compiled against: chains followed to their end, none that leads in a
 * circle or to the root itself. Afterwards no link lies below another, nor below another's target, so that replacing one
 * prefix once says all; a link that would break this is left out.
 */
export function resolveRootLinks(links: readonly RootLink[] | null): readonly ResolvedLink[] {
  if (links === null) return usualRootLinks;
  const targets = new Map<ByteString, ByteString>();
  for (const link of links) {
    const from = byteStringOf(link.path);
    const to = byteStringOf(link.target);
    if (from.length > 1 && from.startsWith('/') && to.length > 1 && to.startsWith('/')) targets.set(from, to);
  }
  const resolved: ResolvedLink[] = [];
  for (const [from, first] of targets) {
    let to: ByteString | undefined = first;
    for (let step = 0; step < maxLinkChain && to !== undefined; step++) {
      const next = followOne(to, targets);
      if (next === to) break;
      to = step + 1 < maxLinkChain ? next : undefined;
    }
    if (to !== undefined && to.length > 1 && !isBelow(to, from) && to !== from) resolved.push({ from, to });
  }
  return resolved
    .filter(({ from }) => !resolved.some((other) => isBelow(from, other.from)))
    .filter(({ to }) => !resolved.some((other) => isBelow(other.from, to)))
    .sort((one, other) => (one.from < other.from ? -1 : 1));
}

function followOne(path: ByteString, targets: ReadonlyMap<ByteString, ByteString>): ByteString {
  for (const [from, to] of targets) {
    if (path === from || isBelow(path, from)) return to + path.slice(from.length);
  }
  return path;
}

function isBelow(path: ByteString, directory: ByteString): boolean {
  return path.startsWith(`${directory}/`);
}

/** `path` with the link that it goes through replaced by its target; the path itself where it goes through none. */
export function canonicalPath(path: ByteString, links: readonly ResolvedLink[]): ByteString {
  for (const { from, to } of links) {
    if (path === from || isBelow(path, from)) return to + path.slice(from.length);
  }
  return path;
}
