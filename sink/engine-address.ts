import { rename, rm, writeFile } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { processStartTicks } from '../runtime/process-start.ts';
import type { ClickHouseAddress } from './clickhouse-client.ts';

/** Where a data directory's running engine is, for other processes of the same user: the readers' address. */
export interface EngineAddress extends ClickHouseAddress {
  readonly user: 'reader';
  /** The process that started the engine and listens for it. */
  readonly ownerPid: number;
  /** Its start time in clock ticks since boot (proc_pid_stat(5), field 22): a pid is given out again, both never. */
  readonly ownerStartTicks: string;
  /** Whether Landlock holds of the engine, as it found when it started: from outside this can't be seen. */
  readonly landlock: boolean;
}

function addressFile(dataDirectory: string): string {
  return path.join(dataDirectory, 'clickhouse-address.json');
}

/** Writes it, readable by this user alone, all at once. */
export async function publishEngineAddress(
  dataDirectory: string,
  address: { readonly url: string; readonly readerToken: string; readonly landlock: boolean },
): Promise<void> {
  const content: EngineAddress = {
    url: address.url,
    user: 'reader',
    token: address.readerToken,
    ownerPid: process.pid,
    ownerStartTicks: processStartTicks(process.pid)?.toString() ?? '',
    landlock: address.landlock,
  };
  const temporary = `${addressFile(dataDirectory)}.${process.pid}`;
  await rm(temporary, { force: true });
  await writeFile(temporary, `${JSON.stringify(content)}\n`, { mode: 0o600, flag: 'wx' });
  await rename(temporary, addressFile(dataDirectory));
}

export async function withdrawEngineAddress(dataDirectory: string): Promise<void> {
  await rm(addressFile(dataDirectory), { force: true });
}

/**
 * The engine that is running on a data directory; `undefined` where none is. A file that a killed process left behind
 * does not count: whoever has its port by now must not be given the token.
 */
export function findEngineAddress(dataDirectory: string): EngineAddress | undefined {
  let text: string;
  try {
    text = readFileSync(addressFile(dataDirectory), 'utf8');
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
  let address: unknown;
  try {
    address = JSON.parse(text);
  } catch {
    // Left empty by a machine that stopped: whoever wrote it is gone.
    return undefined;
  }
  if (!isEngineAddress(address)) return undefined;
  return processStartTicks(address.ownerPid)?.toString() === address.ownerStartTicks ? address : undefined;
}

function isEngineAddress(value: unknown): value is EngineAddress {
  if (typeof value !== 'object' || value === null) return false;
  const fields = value as Readonly<Record<string, unknown>>;
  return (
    typeof fields['url'] === 'string' &&
    /^http:\/\/127\.0\.0\.1:\d+$/u.test(fields['url']) &&
    fields['user'] === 'reader' &&
    typeof fields['token'] === 'string' &&
    Number.isSafeInteger(fields['ownerPid']) &&
    typeof fields['ownerStartTicks'] === 'string' &&
    fields['ownerStartTicks'] !== '' &&
    typeof fields['landlock'] === 'boolean'
  );
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
