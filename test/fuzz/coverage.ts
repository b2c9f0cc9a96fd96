import { Session, type Profiler } from 'node:inspector';

/** The code whose branches count: ours, and the two parsers that it puts its trust in. */
const countedFiles =
  /\/dist\/(?:collector|enricher|eventlog|matcher|policy|schemas|runtime|sink)\/|\/node_modules\/(?:avsc|yaml)\//u;

/**
 * Which blocks of code have ever run, as V8's own block coverage tells (Chrome DevTools Protocol, Profiler.takePreciseCoverage):
 * no library, no instrumented code, and optimized code stays optimized.
 */
export class Coverage implements Disposable {
  readonly #session = new Session();
  readonly #known = new Set<string>();

  constructor() {
    this.#session.connect();
    this.#session.post('Profiler.enable');
    this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  /** Blocks that have run so far. */
  get size(): number {
    return this.#known.size;
  }

  /**
   * How many blocks have run since the last call that had never run before. With `keep`, they count as known from now on.
   * Takes about 2 ms: look after many inputs, not after each.
   */
  news(keep: boolean): number {
    let found = 0;
    for (const { url, functions } of this.#take()) {
      if (!countedFiles.test(url)) continue;
      for (const { ranges } of functions) {
        for (const { startOffset, endOffset, count } of ranges) {
          if (count === 0) continue;
          const block = `${url}:${startOffset}:${endOffset}`;
          if (this.#known.has(block)) continue;
          found += 1;
          if (keep) this.#known.add(block);
        }
      }
    }
    return found;
  }

  [Symbol.dispose](): void {
    this.#session.disconnect();
  }

  #take(): readonly Profiler.ScriptCoverage[] {
    let result: readonly Profiler.ScriptCoverage[] = [];
    // Of a session in one's own thread the answer comes before `post` returns.
    this.#session.post('Profiler.takePreciseCoverage', (error, taken) => {
      if (error !== null) throw error;
      result = taken.result;
    });
    return result;
  }
}
