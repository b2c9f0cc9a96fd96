/** Every code a Palisade error can carry. Closed: docs/errors.md has a section for each, and a test keeps both equal. */
export const errorCodes = [
  'CONFIG_INVALID',
  'POLICY_INVALID',
  'POLICY_TOO_LARGE',
  'RECORD_UNREADABLE',
  'CAPTURE_UNREADABLE',
  'EVENT_LOG_FAILED',
  'EVENT_LOG_OWNED',
  'EVENT_LOG_DAMAGED',
  'DISK_FULL',
  'DATA_TOO_NEW',
  'FENCED',
  'SCHEMA_REGISTRY_FAILED',
  'KERNEL_REFUSED',
  'KERNEL_EVENT_INVALID',
  'SINK_REFUSED',
  'ENGINE_FAILED',
  'QUERY_REFUSED',
] as const;

export type ErrorCode = (typeof errorCodes)[number];

export interface PalisadeErrorOptions {
  /** What was thrown below, kept whole. */
  readonly cause?: unknown;
  /** Kafka's word: the same call with the same input may succeed later. Default false. */
  readonly retriable?: boolean;
}

/**
 * The base of everything Palisade throws for operating errors. Programmer errors are assertions and end the process.
 * The message says what was being done, with what, and what came back; then what to do, where that is known.
 * Attackers' bytes in a message have gone through `printable()`.
 */
export class PalisadeError extends Error {
  readonly code: ErrorCode;
  readonly retriable: boolean;

  constructor(code: ErrorCode, message: string, options: PalisadeErrorOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    this.name = new.target.name;
    this.code = code;
    this.retriable = options.retriable ?? false;
  }
}

/** Whether the same call with the same input may succeed later. Answers for any thrown thing; never throws. */
export function isRetriable(thrown: unknown): boolean {
  return thrown instanceof PalisadeError && thrown.retriable;
}
