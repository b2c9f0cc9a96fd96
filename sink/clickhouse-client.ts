import { createClient, ClickHouseLogLevel, type ClickHouseClient } from '@clickhouse/client';

/** Where a ClickHouse is and who asks: a server of one's own, or the embedded engine's process. */
export interface ClickHouseAddress {
  /** `http://127.0.0.1:PORT` or a server's; without credentials. */
  readonly url: string;
  readonly user: string;
  /** The user's password; for the embedded engine its token. */
  readonly token: string;
}

/**
 * How long one request may take. An insert of 10,000 alerts takes a fraction of a second; a person's query is cut off by
 * the engine well before this.
 */
const requestTimeoutMs = 60_000;

/**
 * Longest pause after which a connection is used again. Shorter than what servers allow (ClickHouse: 10 s, the embedded
 * engine: 10 s), so that none is found closed.
 */
const idleSocketMs = 5_000;

/** Opens a client. Nothing is sent yet; close it with `close()`. */
export function connectClickHouse(address: ClickHouseAddress): ClickHouseClient {
  return createClient({
    url: address.url,
    username: address.user,
    password: address.token,
    application: 'palisade',
    request_timeout: requestTimeoutMs,
    keep_alive: { enabled: true, idle_socket_ttl: idleSocketMs },
    compression: { request: false, response: false },
    // What fails is thrown, with its cause: it is for the runner to log, once.
    log: { level: ClickHouseLogLevel.OFF },
  });
}
