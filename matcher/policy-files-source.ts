import { watch, type FSWatcher } from 'node:fs';
import { readFile, readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { EventLog } from '../eventlog/event-log.ts';
import type { SourceStage } from '../eventlog/stage.ts';
import { renderIssues, type Issue } from '../policy/issue.ts';
import { printable } from '../runtime/printable.ts';
import type { Logger } from '../runtime/logger.ts';
import { retry } from '../runtime/retry.ts';
import { policyDifference, type PolicyScan } from './policy-difference.ts';
import { scanPolicyTexts, type PolicyText } from './policy-scan.ts';

/** Policy files read at most: a cluster has hundreds. */
export const maxPolicyFiles = 10_000;
/** Largest policy file that is read; the largest single policy seen has 20 KiB. */
export const maxPolicyFileBytes = 4 * 1024 * 1024;
/** Deepest folder below one that was given. */
const maxFolderDepth = 16;
/** How long files must be quiet before they are read: editors and kubectl write in several steps. */
const quietMs = 200;
/** How often files are read without a notice: some file systems give none, and watches have a limit. */
const rescanMs = 10_000;
const retryOptions = { firstDelayMs: 100, maxDelayMs: 10_000, maxAttempts: Infinity };

export interface PolicyFilesOptions {
  /** Policy files, and folders of which every `.yaml` and `.yml` file counts, also in subfolders. */
  readonly paths: readonly string[];
  /** Names this source in its records: what it finds under its own name and in no file any more, it deletes. */
  readonly sourceId: string;
  readonly logger: Logger;
}

/** What one look at the files came to. */
export interface PolicySynchronization {
  /** Documents that can be used. */
  readonly policies: number;
  /** Records appended: new, changed and deleted ones. */
  readonly changes: number;
  readonly issues: readonly Issue[];
}

/**
 * Policy files → `policies`, for as long as it runs: what changes in the files is appended within a second, or within
 * ten where the file system tells of nothing. A file that can't be used is told to the logger, with the place and what would
 * be right; what it held before stays in force.
 */
export function policyFilesSource(options: PolicyFilesOptions): SourceStage {
  return {
    name: 'policy-files',
    outputs: ['policies'],
    async run(log, signal) {
      using changes = new FileChanges(options);
      const told = new ToldIssues(options.logger);
      while (!signal.aborted) {
        changes.reset();
        const look = () => synchronizePolicyFiles(log, { ...options, told });
        // An abort in a wait ends the source; what went wrong before it comes again with the next start.
        await retry(look, { ...retryOptions, signal }).catch((error: unknown) => {
          if (!signal.aborted) throw error;
        });
        await changes.next(signal);
      }
    },
  };
}

/** Makes the table `policies` agree with the files, once. Throws what the log throws. */
export async function synchronizePolicyFiles(
  log: EventLog,
  options: PolicyFilesOptions & { readonly told?: ToldIssues },
): Promise<PolicySynchronization> {
  const { texts, incomplete } = await readPolicyFiles(options);
  const scanned = scanPolicyTexts(texts, options.sourceId);
  const scan: PolicyScan = { ...scanned, incomplete };
  const { records } = await log.table('policies');
  const { outputs, ofAnotherSource } = policyDifference(scan, records, options.sourceId);
  if (outputs.length > 0) await log.append(outputs);
  const told = options.told ?? new ToldIssues(options.logger);
  told.tell(scanned.issues, texts);
  told.tellOfOthers(ofAnotherSource);
  for (const output of outputs) {
    const deleted = 'value' in output && output.value === undefined;
    options.logger.info({ policy: output.key }, deleted ? 'a policy was deleted' : 'a policy was taken over');
  }
  return { policies: scan.documents.size, changes: outputs.length, issues: scanned.issues };
}

/** Tells issues when they are new, not with each look at the same files. */
export class ToldIssues {
  readonly #logger: Logger;
  #last = '';
  #lastOthers = '';

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** One line for each issue, with its line of the file and a caret; `warn` where the policy is refused. */
  tell(issues: readonly Issue[], texts: readonly PolicyText[]): void {
    const key = JSON.stringify(issues);
    if (key === this.#last) return;
    this.#last = key;
    const lines = new Map(texts.map(({ file, text }) => [file, text.split('\n')]));
    for (const issue of issues) {
      const { severity, file, line, column, field } = issue;
      const rendered = renderIssues([issue], (of, number) => lines.get(of)?.[number - 1]);
      this.#logger[severity === 'error' ? 'warn' : 'info'](
        { severity, file, line, column, field, rendered },
        issue.message,
      );
    }
  }

  tellOfOthers(keys: readonly string[]): void {
    const key = JSON.stringify(keys);
    if (key === this.#lastOthers) return;
    this.#lastOthers = key;
    for (const policy of keys) {
      this.#logger.warn({ policy }, 'a policy of the files is left out: another source has one of the same name');
    }
  }
}

async function readPolicyFiles(
  options: PolicyFilesOptions,
): Promise<{ readonly texts: readonly PolicyText[]; readonly incomplete: boolean }> {
  const found: { readonly absolute: string; readonly file: string }[] = [];
  let incomplete = false;
  for (const given of options.paths) {
    try {
      const isFolder = (await stat(given)).isDirectory();
      if (isFolder) await collectFiles(given, '', found, 0);
      else found.push({ absolute: given, file: path.basename(given) });
    } catch (error) {
      // Away for a moment, or for good: nobody can tell, so nothing that it held counts as deleted.
      incomplete = true;
      options.logger.warn({ err: error, path: given }, `policies in ${printable(given)} can't be read`);
    }
  }
  if (found.length > maxPolicyFiles) {
    incomplete = true;
    options.logger.error(
      { files: found.length },
      `there are more than ${maxPolicyFiles} policy files: the rest is left out`,
    );
  }
  const texts: PolicyText[] = [];
  for (const { absolute, file } of found.slice(0, maxPolicyFiles)) texts.push(await readPolicyFile(absolute, file));
  return { texts, incomplete };
}

/** Files below `folder` in the order of their names, so that of two of one name always the same one counts. */
async function collectFiles(
  folder: string,
  relative: string,
  found: { readonly absolute: string; readonly file: string }[],
  depth: number,
): Promise<void> {
  if (depth > maxFolderDepth || found.length > maxPolicyFiles) return;
  const entries = await readdir(folder, { withFileTypes: true });
  entries.sort((first, second) => (first.name < second.name ? -1 : 1));
  for (const entry of entries) {
    // A mounted ConfigMap has its files as links into `..data`, and editors keep theirs under a dot.
    if (entry.name.startsWith('.')) continue;
    const absolute = path.join(folder, entry.name);
    const file = path.join(relative, entry.name);
    if (entry.isDirectory()) await collectFiles(absolute, file, found, depth + 1);
    else if (/\.ya?ml$/i.test(entry.name)) found.push({ absolute, file });
  }
}

async function readPolicyFile(absolute: string, file: string): Promise<PolicyText> {
  try {
    const facts = await stat(absolute);
    if (!facts.isFile()) return { file, text: '', problem: 'This is no regular file.' };
    if (facts.size > maxPolicyFileBytes) {
      return { file, text: '', problem: `This file has ${facts.size} bytes; the limit is ${maxPolicyFileBytes}.` };
    }
    return { file, text: await readFile(absolute, 'utf8'), problem: undefined };
  } catch (error) {
    return {
      file,
      text: '',
      problem: `This file can't be read: ${error instanceof Error ? error.message : 'unknown'}.`,
    };
  }
}

/** Notices that something below the given paths has changed. */
class FileChanges implements Disposable {
  readonly #watchers: FSWatcher[] = [];
  #notify: () => void = () => undefined;
  #changed: Promise<void> = Promise.resolve();

  constructor(options: PolicyFilesOptions) {
    this.reset();
    for (const given of options.paths) {
      try {
        const watcher = watch(given, { recursive: true, persistent: false }, () => {
          this.#notify();
        });
        watcher.on('error', (error) => {
          options.logger.info({ err: error, path: given }, 'changes are found by looking every ten seconds');
        });
        this.#watchers.push(watcher);
      } catch (error) {
        // No such path, or no watch left: the regular look finds it.
        options.logger.info({ err: error, path: given }, 'changes are found by looking every ten seconds');
      }
    }
  }

  /** Forgets what was noticed before. */
  reset(): void {
    this.#changed = new Promise((resolve) => {
      this.#notify = resolve;
    });
  }

  /** Resolves a moment after a change, when it is time to look anyway, or on abort. */
  async next(signal: AbortSignal): Promise<void> {
    const waiting = AbortSignal.any([signal]);
    await Promise.race([this.#changed, pause(rescanMs, waiting)]);
    await pause(quietMs, signal);
  }

  [Symbol.dispose](): void {
    for (const watcher of this.#watchers) watcher.close();
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  // Rejects on abort alone, and then the wait is over as well.
  await delay(ms, undefined, { signal }).catch(() => undefined);
}
