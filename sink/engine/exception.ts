/** An error as ClickHouse answers with: a number, a name, a sentence (src/Common/ErrorCodes.cpp). */
export class EngineException extends Error {
  readonly code: number;
  readonly type: string;
  /** HTTP status where it is another than the code's. */
  readonly status: number;

  constructor(
    code: number,
    type: string,
    message: string,
    options: { readonly status?: number; readonly cause?: unknown } = {},
  ) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    this.name = 'EngineException';
    this.code = code;
    this.type = type;
    this.status = options.status ?? httpStatusOf(code);
  }

  /** The body of an answer, in the form that clients take apart. */
  get body(): string {
    return `Code: ${this.code}. DB::Exception: ${this.message} (${this.type})\n`;
  }
}

/** The confinement's own no. */
export function accessDenied(message: string): EngineException {
  return new EngineException(497, 'ACCESS_DENIED', message);
}

/** What the native binding threw, whose message is `Code: N. DB::Exception: … (TYPE)`. */
export function engineExceptionOf(thrown: unknown): EngineException {
  if (thrown instanceof EngineException) return thrown;
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  const match = /^Code: (\d+)\. DB::Exception: ([\s\S]*) \(([A-Z0-9_]+)\)\s*$/u.exec(text);
  const [, code, message, type] = match ?? [];
  if (code === undefined || message === undefined || type === undefined)
    return new EngineException(1002, 'UNKNOWN_EXCEPTION', text, { cause: thrown });
  return new EngineException(Number(code), type, message, { cause: thrown });
}

/** Codes that a server answers with another status than 500 (src/Server/HTTP/exceptionCodeToHTTPStatus.cpp). */
const statusOfCode: Readonly<Record<number, readonly number[]>> = {
  400: [6, 16, 15, 25, 26, 36, 38, 41, 44, 53, 62, 72, 117, 167, 168, 190, 321, 427, 441, 675, 676, 69],
  401: [194],
  403: [192, 193, 497, 512, 516],
  404: [46, 47, 50, 56, 60, 63, 73, 78, 81, 82, 115, 511],
  408: [159],
  411: [381],
  413: [223],
  415: [415],
  501: [48],
  503: [76, 209, 439],
};

function httpStatusOf(code: number): number {
  const found = Object.entries(statusOfCode).find(([, codes]) => codes.includes(code));
  return found === undefined ? 500 : Number(found[0]);
}
