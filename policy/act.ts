import type { Dimension } from './model.ts';

/** One thing that an act is done to: the file opened, the program run, a script's interpreter. */
export interface ActResource {
  /** Absolute and clean, as the container sees it; no final `/` but for the root itself. */
  readonly path: Uint8Array;
  /**
   * For a program: the name by which it was called, absolute and clean, where it is another than `path`. Block and Audit
   * rules match either; Allow rules only `path`, since anybody can make a link.
   */
  readonly calledName?: Uint8Array;
  /** `undefined`: not known; then it counts as a directory for Block rules only. */
  readonly isDirectory: boolean | undefined;
  /** Owner in the initial user namespace. `undefined`: it does not exist yet, its owner is the caller. -1: not known, not the caller. */
  readonly ownerUid: number | undefined;
  /** `path` is the known end of a longer path, cut at a `/`. */
  readonly truncated: boolean;
}

/** What a process did, as far as rules ask. */
export type Act = PathAct | NamedAct;

/** Who did it. */
interface Actor {
  /**
   * What `fromSource` is compared with: for a process act the executable that the caller ran when it called exec, else the
   * acting process's own.
   */
  readonly source: Uint8Array;
  /** Whether the process has a controlling terminal. */
  readonly hasTerminal: boolean;
}

/** An exec, or what was done to files. */
export interface PathAct extends Actor {
  readonly dimension: 'process' | 'file';
  /** One or more; an exec of a script has the script and each interpreter. */
  readonly resources: readonly ActResource[];
  /** Opening for write, append or truncation, creating, and every change of name, metadata or content. */
  readonly write: boolean;
  /** The caller's fsuid in the initial user namespace, for an exec as it was before the exec changed credentials. */
  readonly fsuid: number;
  /** After argv[0]; empty where the act is no exec. */
  readonly arguments: readonly Uint8Array[];
  readonly argumentsTruncated: boolean;
}

/** Use of a socket, of a name that is looked up, of a capability. */
export interface NamedAct extends Actor {
  readonly dimension: Exclude<Dimension, PathAct['dimension']>;
  /**
   * What the act is, in the words of rules: all protocol words that the socket is, the domain in canonical form (named.ts),
   * also as it is without one of the resolver's search suffixes, the capability.
   */
  readonly names: readonly string[];
  /** Whether an allow-list that does not name it makes it fall to the posture. Sockets of AF_UNIX and AF_NETLINK never do. */
  readonly fallsToPosture: boolean;
}
