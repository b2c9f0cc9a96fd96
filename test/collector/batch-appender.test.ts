import { setImmediate as turn } from 'node:timers/promises';
import test from 'ava';
import { BatchAppender } from '../../collector/batch-appender.ts';
import type { OutputRecord } from '../../eventlog/event-log.ts';
import { PalisadeError } from '../../runtime/errors.ts';

const record = (key: string): OutputRecord => ({ topic: 'raw-events', key, encodedValue: new Uint8Array(0) });

test('batches keep their order, and are acknowledged when the log has them', async (t) => {
  const calls: string[][] = [];
  const acknowledged: string[] = [];
  let open: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  const append = async (records: readonly OutputRecord[]): Promise<void> => {
    await gate;
    calls.push(records.map(({ key }) => key));
  };
  const appender = new BatchAppender({ append }, new AbortController().signal, () => undefined);
  for (const key of ['a', 'b', 'c']) await appender.push(record(key), () => acknowledged.push(key));
  await turn();
  t.deepEqual(acknowledged, []);
  open();
  await appender.flush();
  t.deepEqual(calls.flat(), ['a', 'b', 'c']);
  t.deepEqual(acknowledged, ['a', 'b', 'c']);
});

test('a log that is away is tried again, and nothing overtakes', async (t) => {
  const got: string[] = [];
  let failures = 2;
  const append = (records: readonly OutputRecord[]): Promise<void> => {
    if (failures-- > 0) return Promise.reject(new PalisadeError('EVENT_LOG_FAILED', 'away', { retriable: true }));
    got.push(...records.map(({ key }) => key));
    return Promise.resolve();
  };
  let retries = 0;
  const appender = new BatchAppender({ append }, new AbortController().signal, () => (retries += 1));
  for (const key of ['a', 'b', 'c', 'd']) await appender.push(record(key), () => undefined);
  await appender.flush();
  t.deepEqual(got, ['a', 'b', 'c', 'd']);
  t.is(retries, 2);
});

test('what the log refuses for good is thrown, and nothing after it is appended', async (t) => {
  let calls = 0;
  const append = (): Promise<void> => {
    calls += 1;
    return Promise.reject(new PalisadeError('FENCED', 'somebody else'));
  };
  const appender = new BatchAppender({ append }, new AbortController().signal, () => undefined);
  await appender.push(record('a'), () => {
    t.fail();
  });
  await t.throwsAsync(appender.flush(), { message: 'somebody else' });
  await t.throwsAsync(
    appender.push(record('b'), () => undefined),
    { message: 'somebody else' },
  );
  t.is(calls, 1);
});

test('a log that never answers holds up whoever pushes, and lets go when it is given up', async (t) => {
  const abandon = new AbortController();
  const appender = new BatchAppender({ append: () => new Promise(() => undefined) }, abandon.signal, () => undefined);
  let pushed = 0;
  const pushing = (async () => {
    for (;;) {
      await appender.push(record('a'), () => undefined);
      pushed += 1;
    }
  })();
  const outcome = pushing.catch(() => 'let go');
  await turn();
  await turn();
  t.true(pushed < 32);
  abandon.abort();
  t.is(await outcome, 'let go');
});
