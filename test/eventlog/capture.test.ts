import { chmodSync, createWriteStream, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { inspect } from 'node:util';
import { zstdCompressSync } from 'node:zlib';
import test, { type ExecutionContext } from 'ava';
import avro from 'avsc';
import fc from 'fast-check';
import { longBytes } from '../../eventlog/avro-bounds.ts';
import { CaptureError } from '../../eventlog/capture-error.ts';
import { fieldOfTopic } from '../../eventlog/capture-schema.ts';
import { CaptureEventLog } from '../../eventlog/capture.ts';
import { CaptureWriter } from '../../eventlog/capture-writer.ts';
import { createCrc32c } from '../../eventlog/crc32c.ts';
import type { LogRecord, OutputRecord } from '../../eventlog/event-log.ts';
import { containerHeader, ContainerReader } from '../../eventlog/object-container.ts';
import { avroSchemas } from '../../schemas/generated.ts';
import { topicNames } from '../../schemas/topics.ts';
import { recordsAfter, writeCapture } from '../support/capture.ts';
import { logRecord } from '../support/run-processor.ts';
import { hostDescriptor, TestNode } from '../support/raw-batch.ts';
import { readingConformance } from './reading-conformance.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { event, policy, removedPolicy, textOf } from './toy.ts';

const openCaptureOf = async (
  t: ExecutionContext,
  appends: readonly (readonly OutputRecord[])[],
): Promise<CaptureEventLog> => {
  const file = join(temporaryDirectory(t), 'capture.avro');
  await writeCapture(file, await recordsAfter(appends));
  const log = await CaptureEventLog.open(file);
  t.teardown(() => log[Symbol.asyncDispose]());
  return log;
};

readingConformance('capture', openCaptureOf, { oneSequence: true });

/** A capture with `count` events, some of them in blocks of their own, and what is in it. */
async function someCapture(t: ExecutionContext, count = 12): Promise<string> {
  const file = join(temporaryDirectory(t), 'capture.avro');
  const events = Array.from({ length: count }, (_, place) => event('a', `${place} ${'x'.repeat(90_000)}`));
  await writeCapture(file, await recordsAfter([[policy('p', 'x'), ...events, removedPolicy('p')]]));
  return file;
}

interface Reading {
  readonly records: readonly LogRecord[];
  readonly error: unknown;
}

async function read(file: string): Promise<Reading> {
  const records: LogRecord[] = [];
  try {
    await using log = await CaptureEventLog.open(file);
    for await (const { record } of log.progress(new AbortController().signal)) {
      records.push(record);
      Reflect.get(record, 'value');
    }
    return { records, error: undefined };
  } catch (error) {
    return { records, error };
  }
}

test("avsc's own decoder reads a capture, and its schema has the documentation", async (t) => {
  const file = join(temporaryDirectory(t), 'capture.avro');
  const batch = new TestNode().batch({ containers: [hostDescriptor()] });
  await writeCapture(file, [logRecord('raw-events', 'node-1', batch)]);
  // As its documentation says it for longs beyond 2^53, which any user of avsc has to.
  const long = avro.types.LongType.__with({
    fromBuffer: (buffer: Buffer) => buffer.readBigInt64LE(),
    toBuffer: () => Buffer.alloc(8),
    fromJSON: BigInt,
    toJSON: Number,
    isValid: (value: unknown) => typeof value === 'bigint',
    compare: () => 0,
  });
  const parseHook = (schema: avro.Schema): avro.Type => {
    t.regex(JSON.stringify(schema), /"name":"palisade.CaptureRecord".*One record of a log/u);
    return avro.Type.forSchema(schema, { registry: { long } });
  };
  const records: unknown[] = [];
  for await (const record of avro.createFileDecoder(file, { parseHook })) records.push(record);
  t.is(records.length, 1);
  t.like(records[0], {
    topic: 'raw-events',
    key: 'node-1',
    rawEvents: { nodeId: 'node-1', wallClockOffsetNs: 1_700_000_000_000_000_000n },
    alerts: null,
  });
});

test('a capture has a field for each topic, so that each can be recorded', (t) => {
  const schema = (avroSchemas as readonly { name: string; fields?: readonly { name: string }[] }[]).find(
    ({ name }) => name === 'CaptureRecord',
  );
  const fields = schema?.fields?.map(({ name }) => name) ?? [];
  t.deepEqual(
    topicNames.filter((topic) => !fields.includes(fieldOfTopic(topic))),
    [],
  );
});

test('a capture is readable by its owner alone', async (t) => {
  t.is(statSync(await someCapture(t, 1)).mode & 0o777, 0o600);
});

test('a capture that takes the place of a file that more could read is readable by its owner alone', async (t) => {
  const file = join(temporaryDirectory(t), 'capture.avro');
  writeFileSync(file, 'earlier', { mode: 0o644 });
  chmodSync(file, 0o644);
  await writeCapture(file, []);
  t.is(statSync(file).mode & 0o777, 0o600);
});

test('a file that ends early is read up to the last whole block, wherever it ends', async (t) => {
  const file = await someCapture(t);
  const whole = readFileSync(file);
  const all = await read(file);
  t.is(all.error, undefined);
  let before = 0;
  const copy = join(temporaryDirectory(t), 'cut.avro');
  for (let length = 0; length < whole.length; length += 41) {
    writeFileSync(copy, whole.subarray(0, length));
    const { records, error } = await read(copy);
    t.true(records.length >= before, 'more bytes never give fewer records');
    before = records.length;
    t.deepEqual(records.map(textOf), all.records.slice(0, records.length).map(textOf));
    // A cut between two blocks is a shorter capture.
    if (error === undefined) continue;
    if (!(error instanceof CaptureError)) return t.fail(inspect(error));
    t.is(error.code, 'CAPTURE_UNREADABLE');
    t.true(error.bytePosition <= length, `byte ${error.bytePosition} of ${length}`);
    t.is(error.recordsBefore, records.length);
  }
  t.true(before > 0);
});

/** Everything that a reader is given of these records. */
function contentOf(records: readonly LogRecord[]): string {
  return inspect(
    records.map((record) => ({ ...record })),
    { depth: null, maxArrayLength: null, maxStringLength: null },
  );
}

/** A function that changes one byte of a capture and holds what is then read against what the capture has. */
function changing(t: ExecutionContext, whole: Buffer, all: readonly LogRecord[]) {
  const copy = join(temporaryDirectory(t), 'changed.avro');
  return async (place: number, change: number): Promise<void> => {
    const bytes = Buffer.from(whole);
    bytes[place] = (bytes[place] ?? 0) ^ change;
    writeFileSync(copy, bytes);
    const { records, error } = await read(copy);
    const what = `byte ${place} changed by ${change}: ${inspect(error)}`;
    if (error !== undefined && !(error instanceof CaptureError)) throw new Error(what, { cause: error });
    if (error === undefined && records.length !== all.length) throw new Error(`${records.length} records, ${what}`);
    if (contentOf(records) !== contentOf(all.slice(0, records.length))) throw new Error(`other values, ${what}`);
  };
}

test('a byte that is changed anywhere gives the error of the place or the very same records', async (t) => {
  const file = await someCapture(t, 3);
  const whole = readFileSync(file);
  const change = changing(t, whole, (await read(file)).records);
  const property = fc.asyncProperty(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }), change);
  await fc.assert(property, { numRuns: 150 });
  t.pass();
});

test('so does each byte of the blocks of a capture', async (t) => {
  const file = join(temporaryDirectory(t), 'capture.avro');
  await writeCapture(file, await recordsAfter([[policy('p', 'x'), event('a', 'one'), event('a', 'two')]]));
  const whole = readFileSync(file);
  const { records } = await read(file);
  const change = changing(t, whole, records);
  await using reader = await ContainerReader.open(file);
  const headerBytes = containerHeader(reader.schema, sync).length;
  for (let place = headerBytes; place < whole.length; place++) {
    for (const mask of [1, 0x40, 0xff]) await change(place, mask);
  }
  t.is(records.length, 3);
});

test('damage in a block that still decompresses to records is told by their checksums', async (t) => {
  const { schema, record, file } = await schemaAndRecord(t);
  const changed = Buffer.from(record.toString('latin1').replace('text', 'next'), 'latin1');
  writeFileSync(file, container(schema, 'null', 3, Buffer.concat([record, changed, record])));
  const { records, error } = await read(file);
  t.deepEqual(records.map(textOf), ['text']);
  if (!(error instanceof CaptureError)) return t.fail(inspect(error));
  t.is(error.bytePosition, readFileSync(file).length - 3 * record.length - sync.length - 3);
  t.regex(
    error.message,
    /after 1 records that were read: record 2 of the 3 of the block that begins here: its bytes do/u,
  );
});

test('bytes after a good header never end in anything but the error of a capture', async (t) => {
  const file = join(temporaryDirectory(t), 'random.avro');
  const property = fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
    await writeCapture(file, []);
    writeFileSync(file, bytes, { flag: 'a' });
    const { records, error } = await read(file);
    if (bytes.length > 0 && !(error instanceof CaptureError))
      throw new Error(`${records.length} records, ${inspect(error)}`);
  });
  await fc.assert(property, { numRuns: 100 });
  t.pass();
});

test('after damage in the middle, what stands before it is kept and the place is named', async (t) => {
  const file = await someCapture(t);
  const whole = readFileSync(file);
  const { records } = await read(file);
  // In the mark that ends the last block.
  whole[whole.length - 10] = (whole.at(-10) ?? 0) ^ 0xff;
  writeFileSync(file, whole);
  const damaged = await read(file);
  t.true(damaged.records.length > 0 && damaged.records.length < records.length);
  if (!(damaged.error instanceof CaptureError)) return t.fail(inspect(damaged.error));
  t.regex(damaged.error.message, /cannot be read at byte \d+, after \d+ records that were read: /u);
});

const sync = Buffer.alloc(16, 7);

/** A container of these bytes as the only block. */
function container(schema: string, codec: string, records: number, block: Buffer, size = block.length): Buffer {
  const header = containerHeader(schema, sync);
  const place = header.indexOf('deflate');
  const named = Buffer.concat([
    header.subarray(0, place - 1),
    Buffer.from([codec.length * 2]),
    Buffer.from(codec),
    header.subarray(place + 'deflate'.length),
  ]);
  const long = avro.Type.forSchema('long');
  return Buffer.concat([named, long.toBuffer(records), long.toBuffer(size), block, sync]);
}

/** A capture of one record, and what of it hostile ones are made of. */
async function schemaAndRecord(
  t: ExecutionContext,
): Promise<{ readonly schema: string; readonly record: Buffer; readonly file: string }> {
  const file = join(temporaryDirectory(t), 'capture.avro');
  await writeCapture(file, await recordsAfter([[event('a', 'text')]]));
  await using reader = await ContainerReader.open(file);
  for await (const { bytes } of reader.blocks()) return { schema: reader.schema, record: bytes, file };
  throw new Error('the capture has no block');
}

for (const [codec, compress] of [
  ['null', (bytes: Buffer) => bytes],
  ['zstandard', (bytes: Buffer) => zstdCompressSync(bytes)],
] as const) {
  test(`blocks with the codec ${codec} are read`, async (t) => {
    const { schema, record, file } = await schemaAndRecord(t);
    writeFileSync(file, container(schema, codec, 2, compress(Buffer.concat([record, record]))));
    const { records, error } = await read(file);
    t.is(error, undefined);
    t.deepEqual(records.map(textOf), ['text', 'text']);
  });
}

const hostile: readonly [string, (schema: string, record: Buffer) => Buffer, RegExp][] = [
  [
    'an unknown codec',
    (schema, record) => container(schema, 'brotli', 1, record),
    /its codec is "brotli"; these are read: null, deflate, zstandard/u,
  ],
  [
    'more records announced than there are',
    (schema, record) => container(schema, 'null', 2 ** 40, record),
    /record 2 of the 1099511627776 of the block that begins here: the value ends early/u,
  ],
  [
    'fewer records announced than there are',
    (schema, record) => container(schema, 'null', 1, Buffer.concat([record, record])),
    /bytes follow the last record/u,
  ],
  ['a negative number of records', (schema, record) => container(schema, 'null', -1, record), /negative size/u],
  [
    'a block that says it is huge',
    (schema, record) => container(schema, 'null', 1, record, 2 ** 40),
    /a block of 1099511627776 bytes is larger than the limit/u,
  ],
  [
    'a block that grows without end',
    (schema) => container(schema, 'zstandard', 1, zstdCompressSync(Buffer.alloc(65 << 20))),
    /the block does not decompress/u,
  ],
  [
    'a topic that there is not',
    (schema, record) =>
      container(schema, 'null', 1, Buffer.from(record.toString('latin1').replace('coverage', 'covering'), 'latin1')),
    /this version has no topic "covering"/u,
  ],
  [
    'a value of another topic',
    (schema, record) =>
      container(
        schema,
        'null',
        1,
        Buffer.from(record.toString('latin1').replace('\u0010coverage', '\u0010policies'), 'latin1'),
      ),
    /a record of policies has a value of coverage/u,
  ],
  [
    'another schema',
    () => container('{"type":"record","name":"Other","fields":[]}', 'null', 0, Buffer.alloc(0)),
    /its records are not those of a capture/u,
  ],
  [
    'a schema that is not the one of its checksum',
    (schema, record) => {
      const bytes = container(schema, 'null', 1, record).toString('latin1');
      return Buffer.from(bytes.replace('"rawEvents"', '"rowEvents"'), 'latin1');
    },
    /at byte 4: its schema does not match the checksum beside it/u,
  ],
  [
    'a schema that is none',
    () => container('{', 'null', 0, Buffer.alloc(0)),
    /its records are not those of a capture/u,
  ],
  [
    'no container at all',
    () => Buffer.from('SQLite format 3'),
    /does not begin as an Avro object container file does/u,
  ],
];
for (const [what, make, message] of hostile) {
  test(`a capture with ${what} is refused with what is wrong`, async (t) => {
    const { schema, record, file } = await schemaAndRecord(t);
    writeFileSync(file, make(schema, record));
    const { error } = await read(file);
    if (!(error instanceof CaptureError)) return t.fail(inspect(error));
    t.regex(error.message, message);
  });
}

/** The capture schema with other fields in each of its records. */
function schemaWith(schema: string, change: (fields: readonly SchemaField[]) => readonly SchemaField[]): avro.Schema {
  return JSON.parse(schema, (key, value: unknown) =>
    key === 'fields' && Array.isArray(value) ? change(value as SchemaField[]) : value,
  ) as avro.Schema;
}

interface SchemaField {
  readonly name: string;
  readonly type?: unknown;
  readonly default?: unknown;
}

const batchOfBefore = {
  nodeId: 'old',
  bootId: 'b',
  session: 5,
  batch: 1,
  origin: 'live',
  baseTimeNs: 7,
  wallClockOffsetNs: 9,
  containers: [],
  strings: [],
  processes: [],
  files: [],
  addresses: [],
  execs: [],
  events: [],
  sequences: [],
  counters: [],
  helperFailures: [],
  gaps: [],
  sessionEnded: false,
};
const recordOfBefore = { topic: 'raw-events', partition: 0, offset: 3, key: 'old', timestampMs: 4, tablePositions: {} };

test('a capture of an older release, which lacks fields and checksums, is read by schema resolution', async (t) => {
  const { schema, file } = await schemaAndRecord(t);
  const lacking = ['deadLetters', 'image', 'crc32c'];
  const older = schemaWith(schema, (fields) => fields.filter(({ name }) => !lacking.includes(name)));
  const encoder = new avro.streams.BlockEncoder(avro.Type.forSchema(older));
  const output = createWriteStream(file);
  encoder.pipe(output);
  encoder.end({ ...recordOfBefore, rawEvents: batchOfBefore });
  await finished(output);
  const { records, error } = await read(file);
  t.is(error, undefined);
  t.like(records[0], recordOfBefore);
  t.like(records[0]?.value, { nodeId: 'old', session: 5n, baseTimeNs: 7n });
});

test('a capture of a newer release, which has more fields, is read by schema resolution, its checksums too', async (t) => {
  const { schema, file } = await schemaAndRecord(t);
  const newer = schemaWith(schema, (fields) => [{ name: 'newAtTheStart', type: 'string', default: '' }, ...fields]);
  const type = avro.Type.forSchema(newer);
  const value = { ...recordOfBefore, newAtTheStart: 'n', rawEvents: { ...batchOfBefore, newAtTheStart: 'm' } };
  // Minus one is a byte at the end, in the place of which the checksum goes.
  const checked = type.toBuffer({ ...value, crc32c: -1 }).subarray(0, -1);
  const good = Buffer.concat([checked, longBytes(createCrc32c()(checked))]);
  writeFileSync(file, container(JSON.stringify(newer), 'null', 1, good));
  const whole = await read(file);
  t.is(whole.error, undefined);
  t.like(whole.records[0], recordOfBefore);
  t.like(whole.records[0]?.value, { nodeId: 'old', session: 5n, baseTimeNs: 7n });
  const changed = Buffer.from(good.toString('latin1').replace('old', 'odd'), 'latin1');
  writeFileSync(file, container(JSON.stringify(newer), 'null', 1, changed));
  const damaged = await read(file);
  if (!(damaged.error instanceof CaptureError)) return t.fail(inspect(damaged.error));
  t.regex(damaged.error.message, /record 1 of the 1 .*: its bytes do not match their checksum/u);
});

test('a file that grows while it is read is read up to where it was when it was opened', async (t) => {
  const file = await someCapture(t);
  const size = statSync(file).size;
  await using log = await CaptureEventLog.open(file);
  writeFileSync(file, Buffer.alloc(100), { flag: 'a' });
  let count = 0;
  for await (const { endPosition } of log.progress(new AbortController().signal)) {
    count += 1;
    t.true(endPosition <= size);
  }
  t.is(count, 14);
});

test('a file that becomes shorter while it is read is an error of its place', async (t) => {
  const file = await someCapture(t, 40);
  await using log = await CaptureEventLog.open(file);
  truncateSync(file, 30_000);
  await t.throwsAsync(
    async () => {
      for await (const { record } of log.progress(new AbortController().signal)) t.truthy(record.topic);
    },
    { code: 'CAPTURE_UNREADABLE' },
  );
});

test('where a capture cannot be opened or written, the message has the file and the reason', async (t) => {
  const missing = join(temporaryDirectory(t), 'none', 'capture.avro');
  await t.throwsAsync(CaptureEventLog.open(missing), {
    code: 'EVENT_LOG_FAILED',
    message: /none\/capture\.avro: .*ENOENT/u,
  });
  await t.throwsAsync(CaptureWriter.create(missing), {
    code: 'EVENT_LOG_FAILED',
    message: /none\/capture\.avro: .*ENOENT/u,
  });
  await t.throwsAsync(
    async () => {
      // Its disk is always full.
      await using writer = await CaptureWriter.create('/dev/full');
      await writer.write(logRecord('raw-events', 'n', new TestNode().batch()));
    },
    { code: 'DISK_FULL', message: /cannot begin the capture: the disk is full|failed after 0 records/u },
  );
});
