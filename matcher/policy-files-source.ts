import { readFile, readdir, realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import type { EventLog } from '../eventlog/event-log.ts';
import type { SourceStage } from '../eventlog/stage.ts';
import { renderIssues, type Issue } from '../policy/issue.ts';
import { isDocumentKind } from '../policy/parse.ts';
import { printable } from '../runtime/printable.ts';
import type { Logger } from '../runtime/logger.ts';
import { retry } from '../runtime/retry.ts';
import { defaultPolicyPace, PolicyChanges, type PolicyPace } from './policy-changes-source.ts';
import { policyDifference, type PolicyScan } from './policy-difference.ts';
import { combineReadings, policyTextOf, readPolicyText, type PolicyReading, type PolicyText } from './policy-scan.ts';

/** Policy files read at most: a cluster has hundreds. */
export const maxPolicyFiles = 10_000;
/** Largest policy file that is read; the largest single policy seen has 20 KiB. */
export const maxPolicyFileBytes = 4 * 1024 * 1024;
/** All of them together: they are held in memory, so as to parse only what has changed. */
export const maxPolicyBytes = 256 * 1024 * 1024;
/** Documents appended in one go: an append is one write, and policies have some kilobytes. */
const documentsPerAppend = 256;
/** Deepest folder below one that was given. */
const maxFolderDepth = 16;
const retryOptions = { firstDelayMs: 100, maxDelayMs: 10_000, maxAttempts: Infinity };

export interface PolicyFilesOptions {
  /** Policy files, and folders of which every `.yaml` and `.yml` file counts, also in subfolders. */
  readonly paths: readonly string[];
  /** Names this source in its records: what it finds under its own name and in no file any more, it deletes. */
  readonly sourceId: string;
  readonly logger: Logger;
  /** What was told already: given to all who look at the same files one after the other, each thing is told once. */
  readonly told?: ToldIssues;
  /** Of a source that follows the files. Default: `defaultPolicyPace`. */
  readonly pace?: PolicyPace;
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
 * Policy files → `policies`, for as long as it runs: what changes in the files is appended within a second after they
 * come to rest, three where they never do, and ten where the file system tells of nothing. A file that can't be used is told to the logger, with the place and what would
 * be right; what it held before stays in force.
 */
export function policyFilesSource(options: PolicyFilesOptions): SourceStage {
  return {
    name: 'policy-files',
    outputs: ['policies'],
    async run(log, signal) {
      using changes = new PolicyChanges(options.logger, options.pace ?? defaultPolicyPace);
      const looker = new Looker(options, (folder) => changes.watch(folder));
      while (!signal.aborted) {
        const look = async (): Promise<void> => {
          changes.begin();
          await looker.synchronize(log);
          changes.end();
        };
        const onRetry = (error: unknown): void => {
          options.logger.warn({ err: error }, 'the log did not take the policies; it is tried again');
        };
        // An abort in a wait ends the source; what went wrong before it comes again with the next start.
        await retry(look, { ...retryOptions, onRetry, signal }).catch((error: unknown) => {
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
  options: PolicyFilesOptions,
): Promise<PolicySynchronization> {
  return await new Looker(options, () => Promise.resolve()).synchronize(log);
}

/** Called with each folder before it is read. */
type EnterFolder = (folder: string) => Promise<void>;

/** Looks at the files again and again: parses only what has changed, tells only what is new. */
class Looker {
  readonly #options: PolicyFilesOptions;
  readonly #enter: EnterFolder;
  readonly #told: ToldIssues;
  /** Of the last look, by absolute path. */
  #readings = new Map<string, PolicyReading>();

  constructor(options: PolicyFilesOptions, enter: EnterFolder) {
    this.#options = options;
    this.#enter = enter;
    this.#told = options.told ?? new ToldIssues(options.logger);
  }

  async synchronize(log: EventLog): Promise<PolicySynchronization> {
    const { paths, sourceId, logger } = this.#options;
    const { texts, problems, filesAt } = await readPolicyFiles(paths, this.#enter);
    const readings = new Map<string, PolicyReading>();
    for (const [absolute, text] of texts) {
      const known = this.#readings.get(absolute);
      readings.set(absolute, known !== undefined && isSameText(known.text, text) ? known : readPolicyText(text));
    }
    this.#readings = readings;
    const scanned = combineReadings([...readings.values()], sourceId);
    // What is away for a moment, or for good: nobody can tell, so nothing that it held counts as deleted.
    const scan: PolicyScan = { ...scanned, incomplete: problems.length > 0 };
    const { records } = await log.table('policies');
    const { outputs, ofAnotherSource } = policyDifference(scan, records, sourceId);
    for (let start = 0; start < outputs.length; start += documentsPerAppend) {
      await log.append(outputs.slice(start, start + documentsPerAppend));
    }
    const others = ofAnotherSource.map((key) => `${key} is left out: another source has a policy of that name`);
    const empty = [...filesAt].filter(([, files]) => files.every((file) => holdsNoPolicy(readings.get(file))));
    const without = empty.map(([given]) => `no policy in ${printable(given)}: nothing is judged by it`);
    this.#told.tell([...problems, ...without, ...others], scanned.issues, [...texts.values()]);
    for (const output of outputs) {
      const deleted = 'value' in output && output.value === undefined;
      logger.info({ policy: output.key }, deleted ? 'a policy was deleted' : 'a policy was taken over');
    }
    return { policies: scan.documents.size, changes: outputs.length, issues: scanned.issues };
  }
}

function isSameText(first: PolicyText, second: PolicyText): boolean {
  return first.text === second.text && first.file === second.file && first.problem === second.problem;
}

/** Whether there is nothing in a file that is a policy, or would be but for an error that is told. */
function holdsNoPolicy(reading: PolicyReading | undefined): boolean {
  if (reading === undefined) return true;
  const isOther = ({ piece, issues }: PolicyReading['documents'][number]): boolean =>
    piece.kind !== '' && !isDocumentKind(piece.kind) && issues.every(({ suggestion }) => suggestion === undefined);
  return reading.issues.length === 0 && reading.documents.every(isOther);
}

/** Tells what is wrong when that is new, not with each look at the same files. */
export class ToldIssues {
  readonly #logger: Logger;
  #last = '';

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** A line for each problem and issue, an issue with its line of the file and a caret; `warn` where something is left out. */
  tell(problems: readonly string[], issues: readonly Issue[], texts: readonly PolicyText[]): void {
    const key = JSON.stringify([problems, issues]);
    if (key === this.#last) return;
    this.#last = key;
    for (const problem of problems) this.#logger.warn(problem);
    const lines = new Map(texts.map(({ file, text }) => [file, text.split('\n')]));
    for (const issue of issues) {
      const { severity, file, line, column, field } = issue;
      const rendered = renderIssues([issue], (of, number) => lines.get(of)?.[number - 1]);
      const level = severity === 'error' ? 'warn' : 'info';
      this.#logger[level]({ severity, file, line, column, field, rendered }, issue.message);
    }
  }
}

/**
 * What is in the policy files at `paths`, by the path of each, and what could not be read, in sentences that are safe on a
 * terminal; `filesAt` has the files that were found at each of the paths that can be read. `enter` is called with each folder
 * before it is read.
 */
export async function readPolicyFiles(
  paths: readonly string[],
  enter: EnterFolder,
): Promise<{
  readonly texts: ReadonlyMap<string, PolicyText>;
  readonly problems: readonly string[];
  readonly filesAt: ReadonlyMap<string, readonly string[]>;
}> {
  const found: { readonly absolute: string; readonly file: string }[] = [];
  const problems: string[] = [];
  const filesAt = new Map<string, readonly string[]>();
  for (const given of paths) {
    const before = found.length;
    try {
      const isFolder = (await stat(given)).isDirectory();
      if (isFolder) await collectFiles({ folder: given, relative: '', above: [] }, found, enter);
      else {
        await enter(path.dirname(given));
        found.push({ absolute: given, file: path.basename(given) });
      }
      filesAt.set(
        given,
        found.slice(before).map(({ absolute }) => absolute),
      );
    } catch (error) {
      problems.push(`policies in ${printable(given)} can't be read: ${reasonOf(error)}`);
    }
  }
  if (found.length > maxPolicyFiles) problems.push(`of more than ${maxPolicyFiles} policy files the rest is left out`);
  const texts = new Map<string, PolicyText>();
  let length = 0;
  for (const { absolute, file } of found.slice(0, maxPolicyFiles)) {
    const text = await readPolicyFile(absolute, file);
    length += text.text.length;
    if (length > maxPolicyBytes) {
      problems.push(`of policy files beyond ${maxPolicyBytes} bytes together the rest is left out`);
      break;
    }
    texts.set(absolute, text);
  }
  return { texts, problems, filesAt };
}

function reasonOf(error: unknown): string {
  return printable(error instanceof Error ? error.message : String(error));
}

/**
 * Files below `folder` in the order of their names, so that of two of one name always the same one counts. Links are
 * followed, but for those that lead back to a folder on the way: `above` is these, outermost first. Throws where a folder or
 * a link can't be read: then nobody knows what is below.
 */
async function collectFiles(
  { folder, relative, above }: { folder: string; relative: string; above: readonly string[] },
  found: { readonly absolute: string; readonly file: string }[],
  enter: EnterFolder,
): Promise<void> {
  if (above.length > maxFolderDepth || found.length > maxPolicyFiles) return;
  const real = await realpath(folder);
  if (above.includes(real)) return;
  await enter(folder);
  const entries = await readdir(folder, { withFileTypes: true });
  entries.sort((first, second) => (first.name < second.name ? -1 : 1));
  for (const entry of entries) {
    // A mounted ConfigMap has its files as links into `..data`, and editors keep theirs under a dot.
    if (entry.name.startsWith('.')) continue;
    const absolute = path.join(folder, entry.name);
    const file = path.join(relative, entry.name);
    if (/\.ya?ml$/i.test(entry.name) && !entry.isDirectory()) found.push({ absolute, file });
    else if (entry.isDirectory() || (entry.isSymbolicLink() && (await stat(absolute)).isDirectory())) {
      await collectFiles({ folder: absolute, relative: file, above: [...above, real] }, found, enter);
    }
  }
}

async function readPolicyFile(absolute: string, file: string): Promise<PolicyText> {
  try {
    const facts = await stat(absolute);
    if (!facts.isFile()) return { file, text: '', problem: 'This is no regular file.' };
    if (facts.size > maxPolicyFileBytes) {
      return { file, text: '', problem: `This file has ${facts.size} bytes; the limit is ${maxPolicyFileBytes}.` };
    }
    return policyTextOf(file, await readFile(absolute));
  } catch (error) {
    return {
      file,
      text: '',
      problem: `This file can't be read: ${reasonOf(error)}.`,
    };
  }
}
