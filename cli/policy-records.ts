import { stat } from 'node:fs/promises';
import type { LogRecord } from '../eventlog/event-log.ts';
import { MemoryEventLog } from '../eventlog/memory.ts';
import { synchronizePolicyFiles } from '../matcher/policy-files-source.ts';
import type { Logger } from '../runtime/logger.ts';
import { printable } from '../runtime/printable.ts';
import { ConfigError } from './config.ts';

/**
 * The records of `policies` that these files make. Throws ConfigError for a path that cannot be read, and where there is not one
 * policy that can be used: to judge by nothing is what nobody means who names policies. Why is told to the logger before.
 */
export async function policyRecords(paths: readonly string[], logger: Logger): Promise<readonly LogRecord[]> {
  for (const given of paths) {
    await stat(given).catch((error: unknown) => {
      throw new ConfigError('policies', 'flag --policies', `can't be read: ${String(error)}`, { cause: error });
    });
  }
  await using log = new MemoryEventLog();
  const { policies } = await synchronizePolicyFiles(log, { paths, sourceId: 'files', logger });
  if (policies === 0) {
    const problem = `must hold a policy that can be used (got ${paths.map(printable).join(', ')})`;
    throw new ConfigError('policies', 'flag --policies', problem);
  }
  const records: LogRecord[] = [];
  const { signal } = new AbortController();
  for await (const record of log.read({ topics: ['policies'], from: 'start', follow: false, signal })) {
    records.push(record);
  }
  return records;
}
