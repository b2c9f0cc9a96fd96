import { timingSafeEqual, createHash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { EngineException } from './exception.ts';

/** `palisade` may do everything; `reader` asks, confined. */
export type Caller = 'palisade' | 'reader';

export interface Tokens {
  readonly token: string;
  readonly readerToken: string;
}

/**
 * Who sends a request, by HTTP Basic authentication or ClickHouse's own two headers. Credentials in the URL would end in
 * logs and histories, and are not looked at. Throws EngineException as a server answers.
 */
export function authenticate(headers: IncomingHttpHeaders, tokens: Tokens): Caller {
  const { user, password } = credentialsOf(headers);
  if (user === undefined)
    throw new EngineException(194, 'REQUIRED_PASSWORD', 'A user and a token are needed, in the headers.');
  const isOwner = user === 'palisade' && sameText(password, tokens.token);
  const isReader = user === 'reader' && sameText(password, tokens.readerToken);
  if (isOwner) return 'palisade';
  if (isReader) return 'reader';
  throw new EngineException(516, 'AUTHENTICATION_FAILED', 'Authentication failed: the user or the token is wrong.');
}

function credentialsOf(headers: IncomingHttpHeaders): { readonly user: string | undefined; readonly password: string } {
  const [, encoded] = /^Basic ([A-Za-z0-9+/=]{1,1024})$/u.exec(headers.authorization ?? '') ?? [];
  if (encoded !== undefined) {
    const decoded = Buffer.from(encoded, 'base64').toString('utf8');
    const colon = decoded.indexOf(':');
    return { user: decoded.slice(0, Math.max(colon, 0)), password: decoded.slice(colon + 1) };
  }
  const user = headers['x-clickhouse-user'];
  const key = headers['x-clickhouse-key'];
  return { user: typeof user === 'string' ? user : undefined, password: typeof key === 'string' ? key : '' };
}

/** Compares digests, so that neither time nor length tells how much of a guess was right. */
function sameText(first: string, second: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(first), digest(second));
}
