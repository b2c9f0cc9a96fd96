import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { gunzipSync, gzipSync } from 'node:zlib';
import test from 'ava';
import { startTestEngine } from '../support/engine.ts';
import { eventually } from '../support/eventually.ts';

const engine = await startTestEngine();
test.after.always(async () => {
  await engine[Symbol.asyncDispose]();
});

const { owner, reader } = engine.engine;
const port = Number(new URL(owner.url).port);
const basic = ({ user, token }: { readonly user: string; readonly token: string }) =>
  `Basic ${Buffer.from(`${user}:${token}`).toString('base64')}`;

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

interface Call {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
}

/** One request, by default a reader's `SELECT 1` in the body. */
async function call({ method = 'POST', path = '/', headers = {}, body = 'SELECT 1' }: Call): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      {
        host: '127.0.0.1',
        port,
        method,
        path,
        agent: false,
        headers: {
          Authorization: basic(reader),
          ...(method === 'GET' ? {} : { 'Content-Length': String(Buffer.byteLength(body)) }),
          ...headers,
        },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => {
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) });
        });
        response.on('error', reject);
      },
    );
    request.on('error', reject);
    request.end(method === 'GET' ? undefined : body);
  });
}

const text = (answer: Answer): string => answer.body.toString('utf8');

/** Sends bytes as they are and returns what comes until the other side closes, as it does after each refusal. */
async function raw(bytes: string | Buffer): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  let answer = '';
  socket.setEncoding('latin1').on('data', (chunk: string) => (answer += chunk));
  socket.on('error', () => undefined);
  socket.write(bytes);
  await new Promise((resolve) => socket.once('close', resolve));
  socket.destroy();
  return answer;
}

const stillServes = async (): Promise<boolean> => text(await call({})) === '1\n';

test('answers like a server: status, format, query id, summary', async (t) => {
  const answer = await call({ path: '/?query_id=mine&default_format=JSONEachRow', body: 'SELECT 1 AS a' });
  t.is(answer.status, 200);
  t.is(text(answer), '{"a":1}\n');
  t.like(answer.headers, {
    'x-clickhouse-query-id': 'mine',
    'x-clickhouse-format': 'JSONEachRow',
    'x-clickhouse-timezone': 'UTC',
    'content-type': 'application/x-ndjson; charset=UTF-8',
    'x-content-type-options': 'nosniff',
  });
  t.regex(String(answer.headers['x-clickhouse-summary']), /"read_rows":"\d+"/u);
});

test('ping needs no token, and says nothing else', async (t) => {
  const answer = await call({ method: 'GET', path: '/ping', headers: { Authorization: '' } });
  t.is(answer.status, 200);
  t.is(text(answer), 'Ok.\n');
});

for (const [what, query, status, code] of [
  ['a syntax error', 'SELECT (', 400, '62'],
  ['an unknown table', 'SELECT * FROM nope', 404, '60'],
  ['an unknown column', 'SELECT nope', 404, '47'],
  ['a refused function', "SELECT file('x')", 403, '497'],
  ['a wrong type', "SELECT 'a' + 1", 500, '43'],
] as const)
  test(`${what} has ClickHouse's code and status`, async (t) => {
    const answer = await call({ body: query });
    t.is(answer.status, status, text(answer));
    t.is(answer.headers['x-clickhouse-exception-code'], code);
    t.regex(text(answer), new RegExp(`^Code: ${code}\\. DB::Exception: [\\s\\S]+ \\([A-Z_]+\\)\\n$`, 'u'));
  });

for (const [what, headers] of Object.entries({
  none: { Authorization: '' },
  'an empty one': { Authorization: basic({ user: 'reader', token: '' }) },
  'a wrong one': { Authorization: basic({ user: 'reader', token: 'x'.repeat(43) }) },
  "the reader's with the other user": { Authorization: basic({ user: 'palisade', token: reader.token }) },
  "another user's": { Authorization: basic({ user: 'default', token: reader.token }) },
  'a bearer': { Authorization: `Bearer ${reader.token}` },
  'no base64': { Authorization: 'Basic !!!' },
  'no colon': { Authorization: `Basic ${Buffer.from('reader').toString('base64')}` },
}))
  test(`without the right token nothing is answered: ${what}`, async (t) => {
    const answer = await call({ headers });
    t.true([401, 403].includes(answer.status), `${answer.status}`);
    t.false(text(answer).includes('1\n'));
    t.false(text(answer).includes(reader.token));
  });

test("a token in ClickHouse's own headers counts, one in the URL does not", async (t) => {
  const inHeaders = { Authorization: '', 'X-ClickHouse-User': 'reader', 'X-ClickHouse-Key': reader.token };
  t.is(text(await call({ headers: inHeaders })), '1\n');
  const inUrl = await call({ path: `/?user=reader&password=${reader.token}`, headers: { Authorization: '' } });
  t.is(inUrl.status, 401);
  const withUrl = await call({ path: `/?user=palisade&password=${owner.token}` });
  t.is(withUrl.status, 400);
});

for (const host of [
  'attacker.example',
  `attacker.example:${port}`,
  `127.0.0.1.attacker.example:${port}`,
  `127.0.0.1:${port + 1}`,
  '127.0.0.1',
  `localhost.:${port}`,
  `0.0.0.0:${port}`,
  `[::1]:${port}`,
])
  test(`a page that had its name rebound to this address is refused: Host "${host}"`, async (t) => {
    for (const path of ['/', '/ping']) {
      const answer = await call({ path, headers: { Host: host } });
      t.is(answer.status, 403, path);
      t.false(text(answer).includes('Ok.'));
    }
  });

for (const origin of ['http://attacker.example', 'null', `http://127.0.0.1:${port}`, 'https://localhost'])
  test(`a web page's request is refused: Origin "${origin}"`, async (t) => {
    const answer = await call({ headers: { Origin: origin } });
    t.is(answer.status, 403);
    t.is(answer.headers['access-control-allow-origin'], undefined);
    const preflight = await call({
      method: 'OPTIONS',
      headers: { Origin: origin, 'Access-Control-Request-Method': 'POST' },
    });
    t.is(preflight.status, 403);
  });

for (const method of ['PUT', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE'])
  test(`the method ${method} is refused`, async (t) => {
    t.is((await call({ method })).status, 405);
  });

for (const path of [
  '/play',
  '/dashboard',
  '/replicas_status',
  '/metrics',
  '/..%2f..%2fetc/passwd',
  '//127.0.0.1/ping',
  '/ping/../',
])
  test(`there is nothing at ${path}`, async (t) => {
    const answer = await call({ path: `${path}?x=1` });
    t.true([400, 403, 404].includes(answer.status), `${answer.status} ${text(answer)}`);
  });

test('a GET changes nothing, even with the full token', async (t) => {
  const path = `/?query=${encodeURIComponent('CREATE TABLE by_get (a Int8) ENGINE = Memory')}`;
  const answer = await call({ method: 'GET', path, headers: { Authorization: basic(owner) } });
  t.is(answer.status, 403);
});

test('there are no sessions, and no setting outlives its request', async (t) => {
  const asOwner = { Authorization: basic(owner) };
  t.is((await call({ path: '/?session_id=x', headers: asOwner })).status, 400);
  t.is((await call({ body: 'SET max_threads = 1', headers: asOwner })).status, 501);
  t.is((await call({ body: 'USE system', headers: asOwner })).status, 501);
  const value = async (path: string) =>
    text(await call({ path, body: "SELECT getSetting('max_block_size')", headers: asOwner }));
  const before = await value('/');
  t.is(await value('/?max_block_size=4321'), '4321\n');
  t.is(await value('/'), before);
  t.is((await call({ path: '/?max_block_size=4321', body: 'SELECT nope', headers: asOwner })).status, 404);
  t.is(await value('/'), before);
});

test('a setting can not be made of anything but a name and a value', async (t) => {
  const asOwner = { Authorization: basic(owner) };
  for (const name of ['max_threads = 1, readonly', 'a;b', 'x--', 'A', '', "x'"]) {
    const answer = await call({ path: `/?${encodeURIComponent(name)}=1`, headers: asOwner });
    t.is(answer.status, 404, name);
  }
  const answer = await call({
    path: `/?insert_deduplication_token=${encodeURIComponent("x', readonly = '1")}`,
    body: "SELECT getSetting('insert_deduplication_token')",
    headers: asOwner,
  });
  t.is(text(answer), String.raw`x\', readonly = \'1` + '\n');
});

test('a query id that could break a header is replaced', async (t) => {
  const answer = await call({ path: `/?query_id=${encodeURIComponent('a\r\nSet-Cookie: x=1')}` });
  t.is(answer.status, 200);
  t.is(answer.headers['set-cookie'], undefined);
  t.regex(String(answer.headers['x-clickhouse-query-id']), /^[0-9a-f-]{36}$/u);
});

test('bodies in gzip are taken, and answers given in it when asked for', async (t) => {
  const headers = { 'Content-Encoding': 'gzip', 'Accept-Encoding': 'gzip' };
  const answer = await call({ path: '/?enable_http_compression=1', body: gzipSync('SELECT 1'), headers });
  t.is(answer.headers['content-encoding'], 'gzip');
  t.is(gunzipSync(answer.body).toString(), '1\n');
  t.is((await call({ body: 'no gzip', headers: { 'Content-Encoding': 'gzip' } })).status, 400);
  t.is((await call({ headers: { 'Content-Encoding': 'br' } })).status, 415);
});

test('a body that unpacks into gigabytes is refused before it has', async (t) => {
  const bomb = gzipSync(Buffer.alloc(128 * 2 ** 20));
  const asReader = await call({ body: bomb, headers: { 'Content-Encoding': 'gzip' } });
  t.is(asReader.status, 413);
  const asOwner = await call({ body: bomb, headers: { 'Content-Encoding': 'gzip', Authorization: basic(owner) } });
  t.is(asOwner.status, 413);
  t.true(await stillServes());
});

test('a body that is too large is refused while it comes', async (t) => {
  const answer = await call({ body: Buffer.alloc(2 ** 20, 0x20) }).catch((error: unknown) => error);
  // Answered, or hung up on: either way it was not taken.
  t.true(answer instanceof Error || (answer as Answer).status === 413);
  t.true(await stillServes());
});

test('oversized and malformed heads are refused', async (t) => {
  t.regex(await raw(`GET /${'x'.repeat(200_000)} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`), /^HTTP\/1\.1 431 /u);
  t.regex(
    await raw(`GET / HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nX: ${'x'.repeat(200_000)}\r\n\r\n`),
    /^HTTP\/1\.1 431 /u,
  );
  t.regex(await raw('GET / HTTP/1.1\r\nHost : x\r\n\r\n'), /^HTTP\/1\.1 400 /u);
  t.regex(await raw(Buffer.from([0x16, 0x03, 0x01, 0, 200, 1, 0])), /^HTTP\/1\.1 400 /u);
  t.regex(
    await raw(
      `POST / HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    ),
    /^HTTP\/1\.1 400 /u,
  );
  t.regex(
    await raw(`GET / HTTP/1.1\r\nHost: a\r\nHost: 127.0.0.1:${port}\r\nConnection: close\r\n\r\n`),
    /^HTTP\/1\.1 (?:400|403) /u,
  );
  t.regex(await raw('GET /ping HTTP/1.0\r\n\r\n'), /^HTTP\/1\.1 403 /u);
  t.regex(await raw('GET /ping HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n'), /^HTTP\/1\.1 403 /u);
  t.regex(
    await raw('GET http://127.0.0.1/ping HTTP/1.1\r\nHost: attacker\r\nConnection: close\r\n\r\n'),
    /^HTTP\/1\.1 403 /u,
  );
  t.regex(await raw('GET http://[ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'), /^HTTP\/1\.1 4\d\d /u);
  t.regex(await raw(`GET //[ HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: close\r\n\r\n`), /^HTTP\/1\.1 4\d\d /u);
  t.true(await stillServes());
});

test('a second request behind a body that was refused is not run', async (t) => {
  const smuggled = `POST / HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAuthorization: ${basic(owner)}\r\nContent-Length: 53\r\n\r\nCREATE TABLE smuggled (a Int8) ENGINE = Memory       `;
  const answer = await raw(`POST / HTTP/1.1\r\nHost: attacker\r\nContent-Length: 1000000\r\n\r\n${smuggled}`);
  t.is(answer.match(/HTTP\/1\.1/gu)?.length, 1, answer);
  t.is(text(await call({ body: "SELECT count() FROM system.tables WHERE name = 'smuggled'" })), '0\n');
});

test('multipart bodies are refused', async (t) => {
  t.is((await call({ headers: { 'Content-Type': 'multipart/form-data; boundary=x' } })).status, 415);
});

test('a query that is not UTF-8 is refused', async (t) => {
  t.is((await call({ body: Buffer.from([0x53, 0x45, 0xff]) })).status, 400);
});

test.serial('many connections at once do not end it', async (t) => {
  const sockets = Array.from({ length: 300 }, () => connect(port, '127.0.0.1').on('error', () => undefined));
  // Each is taken or closed; those beyond the limit are closed at once.
  const taken = sockets.map(
    (socket) => new Promise((resolve) => socket.once('connect', resolve).once('close', resolve)),
  );
  await Promise.all(taken);
  for (const socket of sockets) socket.destroy();
  // Their places are free again a moment later.
  t.true(await eventually('an answer', async () => (await stillServes().catch(() => false)) || undefined));
});

test('rows are taken by INSERT in the URL alone, and only with the full token', async (t) => {
  const asOwner = { Authorization: basic(owner) };
  await call({ body: 'CREATE TABLE taken (a Int64, s String) ENGINE = MergeTree ORDER BY a', headers: asOwner });
  const insert = `/?query=${encodeURIComponent('INSERT INTO taken (a, s) FORMAT JSONEachRow')}`;
  const rows = '{"a":"9007199254740993","s":"x\\ny"}\n{"a":2,"s":"é"}\n';
  t.is((await call({ path: insert, body: rows })).status, 403);
  const answer = await call({ path: insert, body: rows, headers: asOwner });
  t.is(answer.status, 200, text(answer));
  t.regex(String(answer.headers['x-clickhouse-summary']), /"written_rows":"2"/u);
  t.is(
    (await call({ path: insert, body: '{"a":"no number"}\n', headers: asOwner })).headers[
      'x-clickhouse-exception-code'
    ],
    '27',
  );
  t.is(text(await call({ body: 'SELECT a, s FROM taken ORDER BY a' })), '2\té\n9007199254740993\tx\\ny\n');
  const unknown = `/?query=${encodeURIComponent('INSERT INTO taken FORMAT Parquet')}`;
  t.is((await call({ path: unknown, body: 'x', headers: asOwner })).status, 501);
});
