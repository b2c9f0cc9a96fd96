import type { TopicName } from '../schemas/topics.ts';

/** Wakes who waits for records of some topics. */
export class ChangeNotice {
  readonly #waiting = new Set<{ readonly topics: readonly TopicName[]; readonly wake: () => void }>();

  /** Resolves at the next `notify` of one of `topics`, at `wakeAll`, or when `signal` aborts. */
  wait(topics: readonly TopicName[], signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const waiter = {
        topics,
        wake: () => {
          this.#waiting.delete(waiter);
          signal.removeEventListener('abort', waiter.wake);
          resolve();
        },
      };
      this.#waiting.add(waiter);
      signal.addEventListener('abort', waiter.wake);
    });
  }

  notify(topics: ReadonlySet<TopicName>): void {
    for (const waiter of [...this.#waiting]) {
      if (waiter.topics.some((topic) => topics.has(topic))) waiter.wake();
    }
  }

  isWaitedFor(): boolean {
    return this.#waiting.size > 0;
  }

  wakeAll(): void {
    for (const waiter of [...this.#waiting]) waiter.wake();
  }
}
