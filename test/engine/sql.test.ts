import { existsSync, rmSync } from 'node:fs';
import path from 'node:path';
import { Writable } from 'node:stream';
import test, { type ExecutionContext } from 'ava';
import { runSql, type SqlOptions } from '../../cli/sql.ts';
import { engineLockHolder } from '../../sink/engine-directory.ts';
import { QueryError } from '../../sink/sink-error.ts';
import { alertsSink } from '../../sink/clickhouse.ts';
import { sampleAlert } from '../support/alert.ts';
import { written } from '../support/store.ts';
import { engineDirectory, startTestEngine, testUser } from '../support/engine.ts';

/** What a person gets to see. */
async function shown(dataDirectory: string, query: string, options: Partial<SqlOptions> = {}): Promise<string> {
  const chunks: Buffer[] = [];
  const output = new Writable({
    write(chunk: Buffer, _encoding, done) {
      chunks.push(Buffer.from(chunk));
      done();
    },
  });
  const usual = { json: false, format: undefined, runAs: testUser(), isTerminal: false, columns: 80 };
  await runSql({ query, dataDirectory, output, ...usual, ...options });
  return Buffer.concat(chunks).toString('utf8');
}

function emptyDirectory(t: ExecutionContext): string {
  const directory = engineDirectory();
  t.teardown(() => {
    rmSync(directory, { recursive: true, force: true });
  });
  return directory;
}

test.serial('where no engine runs, one is started for the query and ended after it', async (t) => {
  const directory = emptyDirectory(t);
  t.is(await shown(directory, 'SELECT count() AS alerts FROM alerts'), 'alerts\n0\n');
  t.is(engineLockHolder(path.join(directory, 'clickhouse')), undefined);
  t.false(existsSync(path.join(directory, 'clickhouse-address.json')));
});

test.serial('where an engine runs, it is asked, and what a file name holds steers nothing', async (t) => {
  await using engine = await startTestEngine();
  const resource = '/tmp/\u001b[2J\nforged\u009b\u202e';
  await written(
    alertsSink(engine.owner),
    [
      {
        topic: 'alerts',
        partition: 0,
        offset: 0,
        key: 'n',
        value: sampleAlert({ resource }),
        timestampMs: 0,
        tablePositions: {},
      },
    ],
    { topic: 'alerts', partition: 0, first: 0, last: 0 },
    new AbortController().signal,
  );
  const query = 'SELECT resource FROM alerts';
  const onTerminal = { isTerminal: true };
  for (const options of [onTerminal, { ...onTerminal, json: true }, { ...onTerminal, format: 'TabSeparatedRaw' }])
    t.notRegex(await shown(engine.dataDirectory, query, options), /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/u);
  const json = await shown(engine.dataDirectory, query, { isTerminal: true, json: true });
  t.deepEqual(JSON.parse(json), { resource });
  t.deepEqual(JSON.parse(await shown(engine.dataDirectory, query, { json: true })), { resource });
  t.is(engine.engine.engineStatus().state, 'running');
});

test.serial('a format may be in the query or beside it', async (t) => {
  await using engine = await startTestEngine();
  t.is(await shown(engine.dataDirectory, 'SELECT 1 AS a, 2 AS b FORMAT CSV', { isTerminal: true }), '1,2\n');
  t.is(await shown(engine.dataDirectory, 'SELECT 1 AS a, 2 AS b', { format: 'CSVWithNames' }), '"a","b"\n1,2\n');
  t.is(await shown(engine.dataDirectory, 'SELECT 1 AS a, 2 AS b', { isTerminal: true }), 'a  b\n─  ─\n1  2\n');
});

test.serial('what is not run is a QUERY_REFUSED that says why', async (t) => {
  await using engine = await startTestEngine();
  for (const [query, message] of [
    ["SELECT file('/etc/passwd')", /the function file\(\) is not available/u],
    ['SELECT nope FROM alerts', /nope/u],
    ['SELEC 1', /Syntax error/u],
    ['', /./u],
  ] as const)
    await t.throwsAsync(shown(engine.dataDirectory, query), { instanceOf: QueryError, code: 'QUERY_REFUSED', message });
});
