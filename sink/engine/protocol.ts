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
  /** Sent back when the socket has arrived. */
  readonly id: number;
}

/** What holds of the engine's process, read back from /proc/self after it was confined. */
export interface Confinement {
  readonly uid: number;
  readonly gid: number;
  /** Whether any capability is left in the permitted or effective set. */
  readonly capabilities: boolean;
  /** PR_SET_NO_NEW_PRIVS: no setuid program can give privileges back. */
  readonly noNewPrivileges: boolean;
  /** Landlock: files beyond its data and its program are out of reach, whoever may read them; TCP, too, where the kernel can. */
  readonly landlock: boolean;
}

/** Why an engine did not start: another process has the data, a folder on the way may not be passed, or anything else. */
const failures = ['locked', 'inaccessible', 'other'] as const;
export type EngineFailure = (typeof failures)[number];

/** Engine process → parent. */
export type EngineMessage =
  | { readonly kind: 'ready'; readonly confinement: Confinement }
  | { readonly kind: 'accepted'; readonly id: number }
  | { readonly kind: 'failed'; readonly reason: EngineFailure; readonly message: string };

/** Whether something that came over the channel is from the engine: the process is confined, its words are not trusted. */
export function isEngineMessage(value: unknown): value is EngineMessage {
  if (typeof value !== 'object' || value === null) return false;
  const fields = value as Readonly<Record<string, unknown>>;
  switch (fields['kind']) {
    case 'ready':
      return isConfinement(fields['confinement']);
    case 'accepted':
      return Number.isSafeInteger(fields['id']);
    case 'failed':
      return failures.some((known) => known === fields['reason']) && typeof fields['message'] === 'string';
    default:
      return false;
  }
}

function isConfinement(value: unknown): value is Confinement {
  if (typeof value !== 'object' || value === null) return false;
  const fields = value as Readonly<Record<string, unknown>>;
  return (
    Number.isSafeInteger(fields['uid']) &&
    Number.isSafeInteger(fields['gid']) &&
    typeof fields['capabilities'] === 'boolean' &&
    typeof fields['noNewPrivileges'] === 'boolean' &&
    typeof fields['landlock'] === 'boolean'
  );
}
