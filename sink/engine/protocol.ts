/** Parent → engine process, once, over the IPC channel: what must appear neither in argv nor in the environment. */
export interface StartMessage {
  readonly kind: 'start';
  /** The engine's own folder; it exists and belongs to `runAs`. */
  readonly directory: string;
  /** Whom to become after the imports; `undefined`: stay who one is. */
  readonly runAs: { readonly uid: number; readonly gid: number } | undefined;
  /** Port on 127.0.0.1 at which the parent listens: what a Host header must say. */
  readonly port: number;
  /** Password of the user `palisade`, who may do everything. */
  readonly token: string;
  /** Password of the user `reader`, whose queries are confined. */
  readonly readerToken: string;
}

/** Parent → engine process, with each accepted socket. */
export interface ConnectionMessage {
  readonly kind: 'connection';
}

/** What holds of the engine's process, read back from /proc/self after it was confined. */
export interface Confinement {
  readonly uid: number;
  readonly gid: number;
  /** Whether any capability is left in the permitted or effective set. */
  readonly capabilities: boolean;
  /** PR_SET_NO_NEW_PRIVS: no setuid program can give privileges back. */
  readonly noNewPrivileges: boolean;
}

/** Engine process → parent. */
export type EngineMessage =
  | { readonly kind: 'ready'; readonly pid: number; readonly confinement: Confinement }
  | { readonly kind: 'failed'; readonly reason: 'locked' | 'inaccessible' | 'other'; readonly message: string };

/** Whether something that came over the channel is from the engine: the process is confined, its words are not trusted. */
export function isEngineMessage(value: unknown): value is EngineMessage {
  if (typeof value !== 'object' || value === null || !('kind' in value)) return false;
  if (value.kind === 'failed')
    return (
      'reason' in value && typeof value.reason === 'string' && 'message' in value && typeof value.message === 'string'
    );
  return (
    value.kind === 'ready' &&
    'confinement' in value &&
    typeof value.confinement === 'object' &&
    value.confinement !== null
  );
}
