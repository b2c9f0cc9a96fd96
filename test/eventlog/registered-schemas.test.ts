import test from 'ava';
import { RegisteredSchemas } from '../../eventlog/registered-schemas.ts';
import { SchemaRegistry } from '../../eventlog/schema-registry.ts';
import { createConfluentFormat } from '../../eventlog/wire-format.ts';
import { selfContainedSchema } from '../../schemas/self-contained.ts';
import { httpServer } from '../support/http-server.ts';

// How often a registry is asked, and what it may do to readers. What it answers in truth: test/kafka.

const never = new AbortController().signal;
const place = { topic: 'alerts', partition: 0, offset: 1 } as const;

function framed(id: number): Uint8Array {
  const bytes = Buffer.alloc(9);
  bytes.writeUInt32BE(id, 1);
  return bytes;
}

function open(url: string, maxAttempts = 1) {
  const registry = new SchemaRegistry({ url, maxAttempts, timeoutMs: 60_000 });
  return RegisteredSchemas.open({ registry, written: [], mayRegister: false, signal: never });
}

test('whatever ids somebody writes cost one request a batch; a version is read once', async (t) => {
  const versions = [1];
  const { url, seen } = await httpServer(t, (response, { line }) => {
    const version = /versions\/(\d+)/u.exec(line)?.[1];
    response.end(
      JSON.stringify(
        version === undefined ? versions : { id: 70 + Number(version), schema: selfContainedSchema('alerts') },
      ),
    );
  });
  const format = createConfluentFormat(await open(url));
  t.deepEqual(seen, [], 'nothing is asked before something is met');
  const invented = Array.from({ length: 1000 }, (_, place) => framed(1_000_000 + place));
  await format.prepare('alerts', invented);
  await format.prepare('alerts', [...invented, framed(71)]);
  versions.push(2);
  await format.prepare('alerts', [framed(71), framed(72)]);
  t.is(format.prepare('alerts', [framed(71), framed(72)]), undefined);
  const list = 'GET /subjects/alerts-value/versions?deleted=true';
  const version = (number: number): string => `GET /subjects/alerts-value/versions/${number}?deleted=true`;
  t.deepEqual(
    seen.map(({ line }) => line),
    [list, version(1), list, list, version(2)],
  );
});

test('readers that meet an id at once all know it after their own look', async (t) => {
  // The second look alone finds the version.
  let looks = 0;
  const { url } = await httpServer(t, (response, { line }) => {
    const isVersion = line.includes('versions/1');
    response.end(JSON.stringify(isVersion ? { id: 7, schema: '"string"' } : looks++ === 0 ? [] : [1]));
  });
  const schemas = await open(url);
  const format = createConfluentFormat(schemas);
  await Promise.all([format.prepare('alerts', [framed(7)]), format.prepare('alerts', [framed(7)])]);
  t.not(schemas.typeOf('alerts', 7), undefined);
});

test('while the registry cannot be asked, nothing is said of values; afterwards they are read', async (t) => {
  let isAway = true;
  const { url } = await httpServer(t, (response, { line }) => {
    if (isAway) response.writeHead(503).end('away');
    else response.end(JSON.stringify(line.includes('versions/1') ? { id: 7, schema: 'nonsense' } : [1]));
  });
  const format = createConfluentFormat(await open(url));
  const error = await t.throwsAsync(format.prepare('alerts', [framed(7)]) ?? Promise.resolve(), {
    code: 'SCHEMA_REGISTRY_FAILED',
  });
  t.like(error, { retriable: true });
  isAway = false;
  await format.prepare('alerts', [framed(7)]);
  t.throws(() => format.decode('alerts', framed(7), place), {
    message: /at byte 1: the schema with id 7 cannot be read as this version's: SyntaxError/u,
  });
});

test('a version that goes while versions are read is not asked for again, and nobody waits for it', async (t) => {
  const { url, seen } = await httpServer(t, (response, { line }) => {
    if (!line.includes('versions/')) response.end('[1]');
    else response.writeHead(404).end(JSON.stringify({ error_code: 40402, message: 'Version not found' }));
  });
  const format = createConfluentFormat(await open(url));
  await format.prepare('alerts', [framed(7)]);
  await format.prepare('alerts', [framed(7)]);
  t.is(seen.filter(({ line }) => line.includes('versions/1')).length, 1);
  t.throws(() => format.decode('alerts', framed(7), place), { message: /id 7 is of no version of alerts-value/u });
});
