import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { connect, createServer, type AddressInfo } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { SchemaRegistryError } from '../../eventlog/errors.ts';
import { SchemaRegistry } from '../../eventlog/schema-registry.ts';
import type { SchemaRegistryOptions } from '../../eventlog/schema-registry-http.ts';
import { httpServer, type SeenRequest } from '../support/http-server.ts';

// What the client makes of answers that are none, or hostile. The right ones come from a real registry: test/kafka.

const never = new AbortController().signal;
const schema = '"string"';

const json =
  (status: number, body: unknown) =>
  (response: ServerResponse): void => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  };

const text =
  (status: number, body: string, headers: Readonly<Record<string, string>> = {}) =>
  (response: ServerResponse): void => {
    response.writeHead(status, { 'content-type': 'text/html', ...headers }).end(body);
  };

/** The error of `ask` at a registry that answers so. */
async function failure(
  t: ExecutionContext,
  answer: (response: ServerResponse, request: SeenRequest) => void,
  ask: (registry: SchemaRegistry) => Promise<unknown>,
  options: Partial<SchemaRegistryOptions> = {},
): Promise<{ readonly error: SchemaRegistryError; readonly seen: readonly SeenRequest[]; readonly url: string }> {
  const { url, seen } = await httpServer(t, answer);
  // As long as a busy machine may take, where nothing is said of time.
  const registry = new SchemaRegistry({ url, maxAttempts: 1, timeoutMs: 60_000, ...options });
  const error = await t.throwsAsync(ask(registry), { instanceOf: SchemaRegistryError });
  return { error: error, seen, url };
}

const register = (registry: SchemaRegistry): Promise<unknown> => registry.register('s', schema, never);

const refusals: Readonly<
  Record<string, { answer: (response: ServerResponse) => void; message: RegExp; ask?: typeof register }>
> = {
  'a page of HTML': {
    answer: text(200, '<html>Welcome</html>'),
    message: /^cannot register the schema of s at the registry http:.*: it answers with no JSON\. Is it the base of/u,
  },
  'no body': { answer: text(200, ''), message: /answers with no JSON/u },
  'an id that is text': { answer: json(200, { id: '7' }), message: /its answer is not an id$/u },
  'an id of 0': { answer: json(200, { id: 0 }), message: /its answer is not an id$/u },
  'an id of more than 31 bits': { answer: json(200, { id: 2 ** 31 }), message: /its answer is not an id$/u },
  'an id that is no whole number': { answer: json(200, { id: 1.5 }), message: /its answer is not an id$/u },
  'a list instead of an id': { answer: json(200, [7]), message: /its answer is not an id$/u },
  null: { answer: json(200, null), message: /its answer is not an object$/u },
  'a number': { answer: json(200, 7), message: /its answer is not an object$/u },
  'a page that is not found': {
    answer: text(404, '<html>Not found</html>'),
    message: /it answers with status 404: <html>Not found<\/html>\. Is it the base of Confluent's API/u,
  },
  'a path that is not found': {
    answer: json(404, { error_code: 404, message: 'HTTP 404 Not Found' }),
    message: /status 404: HTTP 404 Not Found\. Is it the base of Confluent's API/u,
  },
  'an error with a code that is none': {
    answer: json(422, { error_code: 'x', message: 7 }),
    message: /status 422: \{"error_code":"x","message":7\}\. Is it/u,
  },
  'a schema that it does not take': {
    answer: json(422, { error_code: 42201, message: 'Invalid schema' }),
    message: /it answers with status 422, code 42201: Invalid schema$/u,
  },
  'credentials that it does not take': {
    answer: text(401, 'go\u001b[2Jaway'),
    message: /refuses the credentials, or these may not do that \(status 401\): go\\x1b\[2Jaway$/u,
  },
  'a redirect': {
    answer: text(302, '', { location: 'http://elsewhere.example/' }),
    message: /it redirects to http:\/\/elsewhere\.example\/, which is not followed; give that address instead$/u,
  },
  'an answer of five megabytes': {
    answer: json(200, { id: 7, more: 'x'.repeat(5 << 20) }),
    message: /its answer has more than 4194304 bytes$/u,
  },
  'an answer without end': {
    answer: (response) => {
      const more = (): void => {
        while (!response.destroyed && response.write('x'.repeat(1 << 16)));
      };
      response.on('drain', more);
      response.writeHead(200);
      more();
    },
    message: /its answer has more than 4194304 bytes$/u,
  },
  'versions that are text': {
    answer: json(200, ['1']),
    message: /^cannot list the versions of s .* its answer is not an array of versions$/u,
    ask: (registry) => registry.versionsOf('s', never),
  },
  'versions that are no list': {
    answer: json(200, { versions: [1] }),
    message: /its answer is not an array of versions$/u,
    ask: (registry) => registry.versionsOf('s', never),
  },
  'a version without a schema': {
    answer: json(200, { id: 7, schema: { type: 'string' } }),
    message: /^cannot read version 3 of s .* its answer is not a schema$/u,
    ask: (registry) => registry.version('s', 3, never),
  },
  'a schema that nobody registered, where it may not be': {
    answer: json(404, { error_code: 40403, message: 'Schema not found' }),
    message: /^s has no such schema at the registry .*, and this process may not register it: have it registered/u,
    ask: (registry) => registry.lookUp('s', schema, never),
  },
};

for (const [what, { answer, message, ask }] of Object.entries(refusals)) {
  test(`a registry that answers with ${what} is refused at once, in words`, async (t) => {
    const { error, seen } = await failure(t, answer, ask ?? register, { maxAttempts: 3 });
    t.regex(error.message, message);
    t.is(error.code, 'SCHEMA_REGISTRY_FAILED');
    t.false(error.retriable);
    t.is(seen.length, 1);
  });
}

test('an incompatible schema is told with the version that is there, the compatibility and the words of the registry', async (t) => {
  const answers: Readonly<Record<string, (response: ServerResponse) => void>> = {
    'POST /subjects/s%2F1/versions': json(409, { error_code: 409, message: 'reader field x\u0007 has no default' }),
    'GET /subjects/s%2F1/versions/latest': json(200, { version: 4 }),
    'GET /config/s%2F1': json(404, { error_code: 40408, message: 'no subject-level config' }),
    'GET /config': json(200, { compatibilityLevel: 'FULL' }),
  };
  const { error } = await failure(
    t,
    (response, { line }) => {
      answers[line]?.(response);
    },
    (registry) => registry.register('s/1', schema, never),
  );
  t.regex(
    error.message,
    /refuses the schema of s\/1: it is not compatible with version 4 under compatibility FULL\. It says: reader field x\\x07 has no default\. Either a newer version of Palisade wrote there, then start that one; or/u,
  );
  t.like(error, { status: 409, retriable: false });
});

test('an incompatible schema is told without what the registry will not tell of it, or tells in a strange way', async (t) => {
  const { error } = await failure(
    t,
    (response, { line }) => {
      if (line.startsWith('POST')) json(409, { error_code: 409, message: 'no' })(response);
      else if (line.includes('config')) json(200, { compatibilityLevel: 'evil\n' })(response);
      else text(404, 'nothing')(response);
    },
    register,
  );
  t.regex(
    error.message,
    /not compatible with what is registered under the compatibility that it asks for\. It says: no\./u,
  );
});

for (const status of [429, 500, 503]) {
  test(`after status ${status} a request is made again, and its answer taken`, async (t) => {
    let requests = 0;
    const { url, seen } = await httpServer(t, (response) => {
      if (++requests < 3) text(status, 'busy')(response);
      else json(200, { id: 12 })(response);
    });
    t.is(await new SchemaRegistry({ url, maxAttempts: 3, timeoutMs: 60_000 }).register('s', schema, never), 12);
    t.deepEqual(
      seen.map(({ line, body }) => [line, body]),
      Array.from({ length: 3 }, () => ['POST /subjects/s/versions', JSON.stringify({ schema })]),
    );
  });
}

test('a registry that stays busy is given up after so many requests, with an error that may pass', async (t) => {
  const { error, seen } = await failure(t, text(503, 'no leader'), register, { maxAttempts: 2 });
  t.regex(error.message, /it answers with status 503: no leader$/u);
  t.like(error, { retriable: true, status: 503 });
  t.is(seen.length, 2);
});

for (const [what, answer] of Object.entries({
  'never answers': () => undefined,
  'begins an answer and never ends it': (response: ServerResponse) => {
    response.writeHead(200).write('{"id":');
  },
})) {
  test(`a registry that ${what} is given up, with an error that may pass`, async (t) => {
    const { error } = await failure(t, answer, register, { timeoutMs: 300 });
    t.regex(error.message, /^cannot register the schema of s at the registry http:.*: no answer within 300 ms$/u);
    t.true(error.retriable);
  });
}

test('a connection that breaks off within an answer is an error that may pass', async (t) => {
  const { error } = await failure(
    t,
    (response) => {
      response.writeHead(200, { 'content-length': '100' }).write('{');
      response.socket?.end();
    },
    register,
  );
  t.true(error.retriable);
  t.is(error.status, undefined);
});

test('a registry that is not there is told by the words of the system', async (t) => {
  // The port of a connection's other end: nobody listens there, and nobody else can.
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  await once(client, 'connect');
  t.teardown(() => {
    client.destroy();
    server.close();
  });
  const port = client.localPort ?? 0;
  const registry = new SchemaRegistry({ url: `http://127.0.0.1:${port}`, maxAttempts: 1, timeoutMs: 60_000 });
  const error = await t.throwsAsync(register(registry), { instanceOf: SchemaRegistryError });
  t.is(
    error.message,
    `cannot register the schema of s at the registry http://127.0.0.1:${port}: connect ECONNREFUSED 127.0.0.1:${port}`,
  );
  t.true(error.retriable);
});

test('whoever waits for a registry can end it at once', async (t) => {
  const stop = new AbortController();
  const { url } = await httpServer(t, () => {
    stop.abort();
  });
  const registry = new SchemaRegistry({ url });
  await t.throwsAsync(registry.register('s', schema, stop.signal), { name: 'AbortError' });
});

test('credentials are sent to the registry, and are in no message', async (t) => {
  const credentials = { username: 'jürgen', password: 'geheim:1' };
  const { error, seen } = await failure(t, text(403, 'no'), register, { credentials });
  t.is(seen[0]?.headers.authorization, `Basic ${Buffer.from('jürgen:geheim:1').toString('base64')}`);
  t.notRegex(error.message, /geheim/u);
});

for (const [url, message] of [
  ['registry:8081', /must begin with http:\/\/ or https:\/\//u],
  ['not a URL\u001b', /is no URL: not a URL\\x1b/u],
  ['http://user:secret@registry', /must not contain credentials/u],
  ['http://registry/?x=1', /must have neither \? nor #/u],
  ['file:///etc/passwd', /must begin with http/u],
] as const) {
  test(`${JSON.stringify(url)} is no address of a registry`, (t) => {
    const error = t.throws(() => new SchemaRegistry({ url }), { code: 'SCHEMA_REGISTRY_FAILED', message });
    t.notRegex(error.message, /secret/u);
  });
}

test('a base with a path and slashes at its end is kept', async (t) => {
  const { url, seen } = await httpServer(t, json(200, []));
  await new SchemaRegistry({ timeoutMs: 60_000, url: `${url}/apis/ccompat/v7//` }).versionsOf('a b', never);
  t.is(seen[0]?.line, 'GET /apis/ccompat/v7/subjects/a%20b/versions?deleted=true');
});
