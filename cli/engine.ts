import process from 'node:process';
import { printable } from '../runtime/printable.ts';
import type { Logger } from '../runtime/logger.ts';
import type { EngineEvent } from '../sink/embedded-clickhouse.ts';
import { findUser, type EngineUser } from '../sink/engine-directory.ts';
import { EngineError } from '../sink/sink-error.ts';
import { engineUser } from './made-in-system.ts';

/**
 * Whom the engine runs as: the system user that set-up made where this is root, else whoever this is. Never root, since it
 * runs people's SQL: without that user it is `nobody`. Throws EngineError where there is neither.
 */
export function engineRunsAs(): EngineUser | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const user = findUser(engineUser) ?? findUser('nobody');
  if (user !== undefined) return user;
  throw new EngineError(
    `The ClickHouse engine must not run as root, and there is no user ${engineUser}: \`npm run setup\` makes it.`,
    { retriable: false },
  );
}

/** A line for what happens to a running engine: it comes back by itself, and alerts wait in the log meanwhile. */
export function logEngineEvent(logger: Logger, event: Exclude<EngineEvent, { readonly kind: 'spawned' }>): void {
  switch (event.kind) {
    case 'died':
      logger.warn(
        { pid: event.pid, restartInMs: event.restartInMs },
        `the ClickHouse engine ended (${printable(event.how)}) and is started again`,
      );
      return;
    case 'restarted':
      logger.warn({ pid: event.pid }, 'the ClickHouse engine is back');
      return;
    case 'restartFailed':
      logger.warn(
        { restartInMs: event.restartInMs },
        `the ClickHouse engine did not start, and is tried again: ${event.error instanceof Error ? printable(event.error.message) : 'no reason'}`,
      );
  }
}
