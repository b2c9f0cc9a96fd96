/** One member of a group at a time: in one process, a second one takes the partition when the first has left it. */
export class GroupQueue {
  readonly #running = new Map<string, Promise<void>>();

  /** Runs `member` when those before it in `group` have returned; not at all where `signal` aborts first. */
  async alone(group: string, signal: AbortSignal, member: () => Promise<void>): Promise<void> {
    for (;;) {
      if (signal.aborted) return;
      const before = this.#running.get(group);
      if (before === undefined) break;
      await settledOrAborted(before, signal);
    }
    const running = member();
    this.#running.set(group, running);
    try {
      await running;
    } finally {
      this.#running.delete(group);
    }
  }
}

function settledOrAborted(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      signal.removeEventListener('abort', done);
      resolve();
    };
    signal.addEventListener('abort', done);
    // How it ended is its own caller's affair.
    promise.then(done, done);
  });
}
