import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { packageRoot } from '../../cli/package-root.ts';
import { connectClickHouse } from '../../sink/clickhouse-client.ts';
import { startEmbeddedClickHouse } from '../../sink/embedded-clickhouse.ts';
import { findEngineAddress } from '../../sink/engine-address.ts';
import { engineLockHolder } from '../../sink/engine-directory.ts';
import { EngineError } from '../../sink/sink-error.ts';
import { engineDirectory, rowsOf, startTestEngine, testUser } from '../support/engine.ts';

const isRoot = process.getuid?.() === 0;
const rootTest = isRoot ? test.serial : test.serial.skip;
if (!isRoot) console.log('skipped: what the engine gives up, since this is not root');

/** What /proc says of a process or thread; `undefined` where it has ended. */
function statusOf(pid: number): Readonly<Record<string, string>> | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch {
    return undefined;
  }
  const lines = text.trim().split('\n');
  return Object.fromEntries(lines.map((line) => line.split(/:\s*/u, 2) as [string, string]));
}

function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/mu.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

async function until(t: ExecutionContext, what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let attempt = 0; attempt < 2400; attempt++) {
    if (await holds()) return;
    await sleep(50);
  }
  t.fail(`not within two minutes: ${what}`);
}

rootTest('started by root the engine is another user, in every thread, without groups and capabilities', async (t) => {
  await using engine = await startTestEngine();
  const user = testUser();
  const { pid, confinement } = engine.engine.engineStatus();
  if (pid === undefined || user === undefined) throw new Error('no engine');
  // Work first, so that the engine's own threads are all there.
  await rowsOf(engine.owner, 'SELECT count() FROM system.tables');
  let looked = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const status = statusOf(Number(thread));
    // The engine ends threads that it has no work for.
    if (status === undefined) continue;
    looked += 1;
    t.is(status['Uid'], Array(4).fill(user.uid).join('\t'));
    t.is(status['Gid'], Array(4).fill(user.gid).join('\t'));
    t.is(status['Groups']?.trim(), '');
    for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapAmb']) t.regex(status[set] ?? '', /^0+$/u, set);
    t.is(status['NoNewPrivs'], '1');
  }
  t.true(looked > 1);
  t.like(confinement, { uid: user.uid, gid: user.gid, capabilities: false, noNewPrivileges: true });
});

rootTest('even who has the full token can read nothing that the user may not', async (t) => {
  await using engine = await startTestEngine();
  await t.throwsAsync(rowsOf(engine.owner, "SELECT file('/etc/shadow')"), {
    message: /denied|CANNOT_OPEN|Cannot open/iu,
  });
  await t.throwsAsync(rowsOf(engine.owner, "SELECT * FROM file('/etc/shadow', 'LineAsString')"));
  const outside = mkdtempSync(path.join(tmpdir(), 'palisade-outside-'));
  t.teardown(() => {
    rmSync(outside, { recursive: true, force: true });
  });
  await t.throwsAsync(engine.owner.command({ query: `SELECT 1 INTO OUTFILE '${path.join(outside, 'x')}'` }));
  t.deepEqual(readdirSync(outside), []);
});

test.serial('with Landlock even what everybody may read, and every TCP address, is out of reach', async (t) => {
  await using engine = await startTestEngine();
  if (!engine.engine.engineStatus().confinement.landlock) {
    t.log('skipped: this kernel has no Landlock, or native/build/confine is not built');
    t.pass();
    return;
  }
  t.true(readFileSync('/etc/hostname', 'utf8').length > 0);
  await t.throwsAsync(rowsOf(engine.owner, "SELECT file('/etc/hostname')"));
  await t.throwsAsync(rowsOf(engine.owner, "SELECT file('/proc/1/environ')"));
  const writable = mkdtempSync(path.join(tmpdir(), 'palisade-writable-'));
  chmodSync(writable, 0o777);
  t.teardown(() => {
    rmSync(writable, { recursive: true, force: true });
  });
  await t.throwsAsync(engine.owner.command({ query: `SELECT 1 INTO OUTFILE '${path.join(writable, 'x')}'` }));
  t.deepEqual(readdirSync(writable), []);
  let requests = 0;
  const web = createServer((_request, response) => {
    requests += 1;
    response.end('1\n');
  });
  await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve));
  t.teardown(() => web.close());
  const address = web.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const once = 'SETTINGS http_max_tries = 1, http_make_head_request = 0';
  await t.throwsAsync(rowsOf(engine.owner, `SELECT * FROM url('http://127.0.0.1:${port}/', 'TSV', 'a Int8') ${once}`));
  t.is(requests, 0);
  // And its own data it can change.
  await engine.owner.command({ query: 'CREATE TABLE kept (a Int8) ENGINE = MergeTree ORDER BY a' });
  await engine.owner.insert({ table: 'kept', values: [{ a: 7 }], format: 'JSONEachRow' });
  await engine.owner.command({ query: 'OPTIMIZE TABLE kept FINAL' });
  await engine.owner.command({ query: 'DROP TABLE kept SYNC' });
});

rootTest('an installation that only root can read does not hinder the engine', async (t) => {
  const home = mkdtempSync(path.join(tmpdir(), 'palisade-home-'));
  const dataDirectory = engineDirectory();
  t.teardown(() => {
    rmSync(home, { recursive: true, force: true });
    rmSync(dataDirectory, { recursive: true, force: true });
  });
  t.is(statSync(home).mode & 0o777, 0o700);
  for (const folder of ['sink', 'runtime'])
    cpSync(path.join(packageRoot(), 'dist', folder), path.join(home, folder), { recursive: true });
  writeFileSync(path.join(home, 'package.json'), '{"type":"module"}');
  symlinkSync(path.join(packageRoot(), 'node_modules'), path.join(home, 'node_modules'));
  const copied = (await import(path.join(home, 'sink/embedded-clickhouse.js'))) as {
    readonly startEmbeddedClickHouse: typeof startEmbeddedClickHouse;
  };
  await using engine = await copied.startEmbeddedClickHouse({ dataDirectory, runAs: testUser() });
  const client = connectClickHouse(engine.reader);
  t.deepEqual(await rowsOf(client, "SELECT upper('x') AS x"), [{ x: 'X' }]);
  await t.throwsAsync(rowsOf(client, 'SELECT no_such_function(1)'));
  await client.close();
});

rootTest('a data directory that the engine can not reach is named', async (t) => {
  const locked = mkdtempSync(path.join(tmpdir(), 'palisade-locked-'));
  const dataDirectory = path.join(locked, 'data');
  mkdirSync(dataDirectory);
  t.teardown(() => {
    rmSync(locked, { recursive: true, force: true });
  });
  const error = await t.throwsAsync<EngineError>(startEmbeddedClickHouse({ dataDirectory, runAs: testUser() }), {
    instanceOf: EngineError,
  });
  t.true(error.message.includes(`no access to ${locked}.`), error.message);
});

rootTest('data that was made as root is given to the user when the engine runs as one', async (t) => {
  const dataDirectory = engineDirectory();
  t.teardown(() => {
    rmSync(dataDirectory, { recursive: true, force: true });
  });
  {
    await using engine = await startEmbeddedClickHouse({ dataDirectory, runAs: undefined });
    const client = connectClickHouse(engine.owner);
    await client.command({ query: 'CREATE TABLE kept (a Int8) ENGINE = MergeTree ORDER BY a' });
    await client.insert({ table: 'kept', values: [{ a: 7 }], format: 'JSONEachRow' });
    await client.close();
    t.is(engine.engineStatus().confinement.uid, 0);
  }
  await using engine = await startEmbeddedClickHouse({ dataDirectory, runAs: testUser() });
  const client = connectClickHouse(engine.owner);
  await client.insert({ table: 'kept', values: [{ a: 8 }], format: 'JSONEachRow' });
  t.deepEqual(await rowsOf(client, 'SELECT a FROM kept ORDER BY a'), [{ a: 7 }, { a: 8 }]);
  await client.close();
});

test.serial('tokens are in a file for this user alone, and in no argument, variable or address', async (t) => {
  await using engine = await startTestEngine();
  const { owner, reader } = engine.engine;
  const pid = engine.engine.engineStatus().pid ?? 0;
  const file = path.join(engine.dataDirectory, 'clickhouse-address.json');
  t.is(statSync(file).mode & 0o777, 0o600);
  t.is(statSync(file).uid, process.getuid?.() ?? -1);
  const text = readFileSync(file, 'utf8');
  t.true(text.includes(reader.token));
  t.false(text.includes(owner.token), 'the full token stays in memory');
  for (const place of ['cmdline', 'environ']) {
    const shown = readFileSync(`/proc/${pid}/${place}`, 'latin1');
    t.false(shown.includes(reader.token) || shown.includes(owner.token), place);
  }
  t.false(`${owner.url}${reader.url}`.includes(owner.token));
  t.regex(owner.url, /^http:\/\/127\.0\.0\.1:\d+$/u);
});

test.serial('only loopback is listened on, by the process that started the engine', async (t) => {
  await using engine = await startTestEngine();
  const port = Number(new URL(engine.engine.owner.url).port).toString(16).toUpperCase().padStart(4, '0');
  const listening = ['tcp', 'tcp6'].flatMap((name) =>
    readFileSync(`/proc/net/${name}`, 'utf8')
      .split('\n')
      .filter((line) => line.includes(`:${port} `) && line.includes(' 0A ')),
  );
  t.is(listening.length, 1);
  t.true(listening[0]?.includes(` 0100007F:${port} `));
});

test.serial(
  'kill -9 of the engine: connections wait for the next one at the same address, with the data',
  async (t) => {
    await using engine = await startTestEngine();
    await engine.owner.command({ query: 'CREATE TABLE kept (a Int8) ENGINE = MergeTree ORDER BY a' });
    await engine.owner.insert({ table: 'kept', values: [{ a: 7 }], format: 'JSONEachRow' });
    const pid = engine.engine.engineStatus().pid ?? 0;
    process.kill(pid, 'SIGKILL');
    await until(t, 'the death is noticed', () => engine.engine.engineStatus().pid !== pid);
    t.is(engine.engine.engineStatus().state, 'restarting');
    // Sent while there is no engine.
    const fresh = connectClickHouse(engine.engine.reader);
    t.deepEqual(await rowsOf(fresh, 'SELECT a FROM kept'), [{ a: 7 }]);
    await fresh.close();
    const status = engine.engine.engineStatus();
    t.is(status.state, 'running');
    t.not(status.pid, pid);
    t.deepEqual(
      engine.events.map(({ kind }) => kind),
      ['spawned', 'died', 'spawned', 'restarted'],
    );
  },
);

test.serial('an engine that dies again and again is started again, not in a busy loop', async (t) => {
  await using engine = await startTestEngine();
  for (let death = 1; death <= 3; death++) {
    const pid = engine.engine.engineStatus().pid ?? 0;
    process.kill(pid, 'SIGKILL');
    await until(t, `start after death ${death}`, () => {
      const status = engine.engine.engineStatus();
      return status.state === 'running' && status.pid !== pid;
    });
  }
  const waits = engine.events.flatMap((event) => (event.kind === 'died' ? [event.restartInMs] : []));
  t.is(waits.length, 3);
  t.is(waits[0], 0);
});

test.serial('while another process has the data open, a second engine waits, then names it', async (t) => {
  await using engine = await startTestEngine();
  const holder = engine.engine.engineStatus().pid ?? 0;
  t.is(engineLockHolder(path.join(engine.dataDirectory, 'clickhouse')), holder);
  const error = await t.throwsAsync<EngineError>(
    startEmbeddedClickHouse({ dataDirectory: engine.dataDirectory, runAs: testUser(), lockTimeoutMs: 600 }),
    { instanceOf: EngineError, message: new RegExp(`process ${holder} has it open`, 'u') },
  );
  t.true(error.retriable);
  // The first one's address is still the one to be found.
  t.is(findEngineAddress(engine.dataDirectory)?.url, engine.engine.reader.url);
});

test.serial('a second engine goes on as soon as the first one has let go', async (t) => {
  const dataDirectory = engineDirectory();
  t.teardown(() => {
    rmSync(dataDirectory, { recursive: true, force: true });
  });
  const first = await startEmbeddedClickHouse({ dataDirectory, runAs: testUser() });
  const second = startEmbeddedClickHouse({ dataDirectory, runAs: testUser(), lockTimeoutMs: 120_000 });
  await sleep(300);
  await first[Symbol.asyncDispose]();
  await using engine = await second;
  const client = connectClickHouse(engine.reader);
  t.deepEqual(await rowsOf(client, 'SELECT 1 AS one'), [{ one: 1 }]);
  await client.close();
  t.is(findEngineAddress(dataDirectory)?.url, engine.reader.url);
});

test.serial('after a stop nothing is left: no process, no address, no lock', async (t) => {
  const engine = await startTestEngine();
  const pid = engine.engine.engineStatus().pid ?? 0;
  const clickhouse = path.join(engine.dataDirectory, 'clickhouse');
  await engine.engine[Symbol.asyncDispose]();
  t.is(engine.engine.engineStatus().state, 'stopped');
  t.false(isAlive(pid));
  t.is(engineLockHolder(clickhouse), undefined);
  t.is(findEngineAddress(engine.dataDirectory), undefined);
  await engine[Symbol.asyncDispose]();
});

test.serial(
  'kill -9 of the process that started it ends the engine too, and its address is no longer believed',
  async (t) => {
    const dataDirectory = engineDirectory();
    t.teardown(() => {
      rmSync(dataDirectory, { recursive: true, force: true });
    });
    const module = path.join(import.meta.dirname, '../../sink/embedded-clickhouse.js');
    const script = `
    const { startEmbeddedClickHouse } = await import(${JSON.stringify(module)});
    const engine = await startEmbeddedClickHouse(${JSON.stringify({ dataDirectory, runAs: testUser() })});
    console.log(engine.engineStatus().pid);
  `;
    const parent = spawn(process.execPath, ['--input-type=module', '--eval', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let printed = '';
    parent.stdout.setEncoding('utf8').on('data', (chunk: string) => (printed += chunk));
    await until(t, 'the engine of the other process', () => printed.includes('\n'));
    const pid = Number(printed);
    t.true(isAlive(pid));
    t.not(findEngineAddress(dataDirectory), undefined);
    parent.kill('SIGKILL');
    await until(t, 'the end of the orphan', () => !isAlive(pid));
    t.is(findEngineAddress(dataDirectory), undefined);
  },
);
