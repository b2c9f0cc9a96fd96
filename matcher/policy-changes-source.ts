import { watch, type FSWatcher } from 'node:fs';
import { stat } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '../runtime/logger.ts';

/** When files are read, in milliseconds. */
export interface PolicyPace {
  /** How long files must be quiet before they are read: editors and kubectl write in several steps. */
  readonly quietMs: number;
  /** How long that is waited for, or a file that never rests would keep all others from being read. */
  readonly longestUnrestMs: number;
  /** How often files are read without a notice: some file systems give none, and watches have a limit. */
  readonly rescanMs: number;
}

export const defaultPolicyPace: PolicyPace = { quietMs: 200, longestUnrestMs: 2_000, rescanMs: 10_000 };

/** Folders watched at most; what is in further ones is found by the regular look. */
const maxWatchers = 1_024;

/**
 * Notices that something in the folders of policies has changed. It watches folders and not files: who edits by renaming
 * a new file into place leaves a watch of the old one behind (which is what Node's recursive watch has on Linux).
 */
export class PolicyChanges implements Disposable {
  readonly #logger: Logger;
  readonly #pace: PolicyPace;
  /** By path and inode; `undefined`: it can't be watched. */
  readonly #watchers = new Map<string, FSWatcher | undefined>();
  readonly #seen = new Set<string>();
  #notify: () => void = () => undefined;
  #changed: Promise<void> = Promise.resolve();

  constructor(logger: Logger, pace: PolicyPace) {
    this.#logger = logger;
    this.#pace = pace;
  }

  /** A look begins: what changes from now on is a change after it. */
  begin(): void {
    this.#seen.clear();
    this.#reset();
  }

  /** A folder is about to be read. */
  async watch(folder: string): Promise<void> {
    const { dev, ino } = await stat(folder);
    const key = `${folder} ${dev} ${ino}`;
    this.#seen.add(key);
    if (this.#watchers.has(key) || this.#watchers.size >= maxWatchers) return;
    this.#watchers.set(key, this.#open(folder));
  }

  /** The look is over: folders that it did not come to are watched no longer. */
  end(): void {
    for (const [key, watcher] of this.#watchers) {
      if (this.#seen.has(key)) continue;
      watcher?.close();
      this.#watchers.delete(key);
    }
  }

  /** Resolves when it is time to look: after a change, once the files are quiet, or without one; and on abort. */
  async next(signal: AbortSignal): Promise<void> {
    const { quietMs, longestUnrestMs, rescanMs } = this.#pace;
    await this.#isChanged(rescanMs, signal);
    const latest = performance.now() + longestUnrestMs;
    do this.#reset();
    while ((await this.#isChanged(quietMs, signal)) && performance.now() < latest);
  }

  [Symbol.dispose](): void {
    for (const watcher of this.#watchers.values()) watcher?.close();
  }

  #open(folder: string): FSWatcher | undefined {
    const notFollowed = (error: unknown): void => {
      this.#logger.info({ err: error, path: folder }, 'changes are found by looking every ten seconds');
    };
    try {
      const watcher = watch(folder, { persistent: false }, () => {
        this.#notify();
      });
      watcher.on('error', notFollowed);
      return watcher;
    } catch (error) {
      // No watch left: the regular look finds it.
      notFollowed(error);
      return undefined;
    }
  }

  #reset(): void {
    this.#changed = new Promise((resolve) => {
      this.#notify = resolve;
    });
  }

  /** Whether something changes within `ms`; resolves at once when it does. */
  async #isChanged(ms: number, signal: AbortSignal): Promise<boolean> {
    const changed = new AbortController();
    void this.#changed.then(() => {
      changed.abort();
    });
    await pause(ms, AbortSignal.any([signal, changed.signal]));
    return changed.signal.aborted;
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  // Rejects on abort alone, and then the wait is over as well.
  await delay(ms, undefined, { signal }).catch(() => undefined);
}
