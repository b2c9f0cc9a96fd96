import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

/** A state file larger than this is not a runtime's: runc's have some 20 KB, Docker's some 10. */
export const jsonFileBytesMax = 4 << 20;

/**
 * The JSON in `file`; `undefined` where it is missing, too large or not whole (a runtime is writing it): then whoever asks
 * tries again later. Throws nothing but what is not about the file.
 */
export function readJsonFile(file: string): unknown {
  let descriptor: number;
  try {
    descriptor = openSync(file, 'r');
  } catch (error) {
    if (isAboutFile(error)) return undefined;
    throw error;
  }
  try {
    const status = fstatSync(descriptor);
    if (!status.isFile() || status.size > jsonFileBytesMax) return undefined;
    const bytes = Buffer.alloc(status.size);
    const length = readSync(descriptor, bytes, 0, bytes.length, 0);
    return JSON.parse(bytes.toString('utf8', 0, length)) as unknown;
  } catch (error) {
    if (error instanceof SyntaxError || isAboutFile(error)) return undefined;
    throw error;
  } finally {
    closeSync(descriptor);
  }
}

/** The value at a path of member names; `undefined` where one of them is missing. */
export function member(value: unknown, ...names: readonly string[]): unknown {
  let here = value;
  for (const name of names) {
    if (typeof here !== 'object' || here === null || !Object.hasOwn(here, name)) return undefined;
    here = (here as Record<string, unknown>)[name];
  }
  return here;
}

/** As `member`, where that is a string. */
export function stringMember(value: unknown, ...names: readonly string[]): string | undefined {
  const found = member(value, ...names);
  return typeof found === 'string' ? found : undefined;
}

/** Whether an error is that a file is not there, or not for us. */
export function isAboutFile(error: unknown): boolean {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return code !== undefined && ['ENOENT', 'ENOTDIR', 'EACCES', 'EPERM', 'ELOOP', 'ESRCH', 'EISDIR'].includes(code);
}
