import { createServer } from 'node:http';
import test from 'ava';
import { ClickHouseError } from '@clickhouse/client';
import { isRetriable } from '../../runtime/errors.ts';
import { alertsSink } from '../../sink/clickhouse.ts';
import { connectClickHouse } from '../../sink/clickhouse-client.ts';
import { SinkError, sinkErrorOf } from '../../sink/sink-error.ts';
import type { LogRecord } from '../../eventlog/event-log.ts';
import { sampleAlert } from '../support/alert.ts';
import { written } from '../support/store.ts';

const record: LogRecord = {
  topic: 'alerts',
  partition: 0,
  offset: 0,
  key: 'n',
  value: sampleAlert(),
  timestampMs: 0,
  tablePositions: {},
};
const range = { topic: 'alerts', partition: 0, first: 0, last: 0 } as const;

for (const [type, retriable] of [
  ['TOO_MANY_SIMULTANEOUS_QUERIES', true],
  ['MEMORY_LIMIT_EXCEEDED', true],
  ['TIMEOUT_EXCEEDED', true],
  ['TOO_MANY_PARTS', true],
  ['UNKNOWN_TABLE', false],
  ['NO_SUCH_COLUMN_IN_TABLE', false],
  ['CANNOT_PARSE_INPUT_ASSERTION_FAILED', false],
  ['AUTHENTICATION_FAILED', false],
] as const)
  test(`${type} ${retriable ? 'may pass' : 'will not pass'}`, (t) => {
    const cause = new ClickHouseError({ code: '1', type, message: 'x' });
    const error = sinkErrorOf(cause, 'alerts_stored', 3);
    t.is(isRetriable(error), retriable);
    t.like(error, { code: 'SINK_REFUSED', destination: 'alerts_stored', rows: 3, status: type, cause });
  });

const full = 'filesystem error: in create_directories: No space left on device ["/data/tmp_insert_all_1_1_0"].';
for (const [type, message, retriable] of [
  ['NOT_ENOUGH_SPACE', 'Cannot reserve 1.00 MiB, not enough space.', true],
  ['STD_EXCEPTION', full, true],
  ['CANNOT_OPEN_FILE', 'Cannot open file /data/columns.txt: , errno: 28, strerror: No space left on device.', true],
  ['CANNOT_WRITE_TO_FILE_DESCRIPTOR', 'Cannot write to file /data/x, errno: 122, strerror: Disk quota exceeded', true],
  ['STD_EXCEPTION', 'basic_string::substr', false],
  // Such an error repeats what stands in the row.
  ['CANNOT_PARSE_INPUT_ASSERTION_FAILED', `before: '${full}'`, false],
] as const)
  test(`${type} with ${message} ${retriable ? 'passes when there is room' : 'will not pass'}`, (t) => {
    const error = sinkErrorOf(new ClickHouseError({ code: '1', type, message }), 'alerts_stored', 3);
    t.is(isRetriable(error), retriable);
    t.is(error.message.includes('the disk of the ClickHouse data is full: with room on it'), retriable);
  });

test("an attacker's bytes that ClickHouse repeats in an error can not steer a terminal", (t) => {
  const error = sinkErrorOf(
    new ClickHouseError({ code: '1', type: 'X', message: 'got \u001b[2J\n' }),
    'alerts_stored',
    1,
  );
  t.false(error.message.includes('\u001b'));
  t.false(error.message.includes('\n'));
});

test('nobody at the address may pass', async (t) => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  await new Promise((resolve) => server.close(resolve));
  const client = connectClickHouse({ url: `http://127.0.0.1:${port}`, user: 'x', token: 'y' });
  const error = await t.throwsAsync<SinkError>(written(alertsSink(client), [record], range), {
    instanceOf: SinkError,
    message: /ECONNREFUSED/u,
  });
  t.true(error.retriable);
  await client.close();
});

test("a proxy's 502 may pass", async (t) => {
  const server = createServer((_request, response) => {
    response.writeHead(502).end('<html>Bad Gateway</html>');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const client = connectClickHouse({ url: `http://127.0.0.1:${port}`, user: 'x', token: 'y' });
  const error = await t.throwsAsync<SinkError>(written(alertsSink(client), [record], range), {
    instanceOf: SinkError,
  });
  t.true(error.retriable);
  await client.close();
});

test('an abort is an abort, and no error of the sink', async (t) => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const client = connectClickHouse({ url: `http://127.0.0.1:${port}`, user: 'x', token: 'y' });
  const abort = new AbortController();
  const writing = written(alertsSink(client), [record], range, abort.signal);
  setTimeout(() => {
    abort.abort();
  }, 50);
  await t.throwsAsync(writing, { name: 'AbortError' });
  await client.close();
});
