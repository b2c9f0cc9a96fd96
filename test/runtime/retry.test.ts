import test from 'ava';
import { PalisadeError } from '../../runtime/errors.ts';
import { backoffMs, retry, type RetryOptions } from '../../runtime/retry.ts';

const options: RetryOptions = {
  firstDelayMs: 1,
  maxDelayMs: 4,
  maxAttempts: 5,
  signal: new AbortController().signal,
};
const busy = new PalisadeError('EVENT_LOG_FAILED', 'busy', { retriable: true });

test('an action is called until it succeeds, and each wait is announced', async (t) => {
  const waits: number[] = [];
  const result = await retry((attempt) => (attempt < 3 ? Promise.reject(busy) : Promise.resolve(attempt)), {
    ...options,
    onRetry: (_error, attempt) => waits.push(attempt),
  });
  t.is(result, 3);
  t.deepEqual(waits, [1, 2]);
});

test('what will not succeed later is thrown at once', async (t) => {
  let calls = 0;
  const act = (): Promise<void> => {
    calls += 1;
    return Promise.reject(new Error('no'));
  };
  await t.throwsAsync(retry(act, options), { message: 'no' });
  t.is(calls, 1);
});

test('after the last attempt its error is thrown', async (t) => {
  let calls = 0;
  const act = (): Promise<void> => {
    calls += 1;
    return Promise.reject(busy);
  };
  await t.throwsAsync(retry(act, options), { is: busy });
  t.is(calls, options.maxAttempts);
});

test('an abort ends a long wait with the error that was waited for', async (t) => {
  const stop = new AbortController();
  const waiting = { ...options, firstDelayMs: 2 ** 30, maxDelayMs: 2 ** 30, signal: stop.signal };
  const running = retry(() => Promise.reject(busy), waiting);
  setTimeout(() => {
    stop.abort();
  }, 5);
  await t.throwsAsync(running, { is: busy });
});

test('waits grow by two up to the greatest one, with full jitter', (t) => {
  for (const [attempt, bound] of [
    [1, 10],
    [2, 20],
    [3, 40],
    [4, 50],
    [2000, 50],
  ] as const) {
    const waits = Array.from({ length: 200 }, () => backoffMs(attempt, { firstDelayMs: 10, maxDelayMs: 50 }));
    t.true(waits.every((wait) => wait >= 0 && wait < bound));
    // The chance that this fails is 2^-200.
    t.true(waits.some((wait) => wait < bound / 2) && waits.some((wait) => wait > bound / 2));
  }
});
