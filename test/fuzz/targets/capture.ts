import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateRawSync, inflateRawSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { recordingFile } from '../../../cli/demo/recording.ts';
import { readLong, skipVarint } from '../../../eventlog/avro-bounds.ts';
import { CaptureError } from '../../../eventlog/capture-error.ts';
import { CaptureEventLog } from '../../../eventlog/capture.ts';
import { CaptureSchema } from '../../../eventlog/capture-schema.ts';
import { RecordError } from '../../../eventlog/errors.ts';
import type { LogRecord } from '../../../eventlog/event-log.ts';
import { avroLong, edgeNumber, inputBytesMax, mutateBytes, replaced } from '../mutate-bytes.ts';
import type { Random } from '../random.ts';
import { expect, type FuzzTarget, type FuzzTargetKind } from '../target.ts';

/** A file → records: eventlog/capture.ts and the object container below it. */
export const capture: FuzzTargetKind = {
  name: 'capture',
  isGuided: true,
  // A block of 64 KiB may unpack into 64 MiB, all of it valid records.
  cpuMsMax: 4000,
  open: async () => new CaptureTarget(await seeds()),
};

/** Records of a seed's block. */
const recordsPerBlock = 3;

class CaptureTarget implements FuzzTarget {
  readonly seeds: readonly Uint8Array[];
  readonly #folder = mkdtempSync(join(tmpdir(), 'palisade-fuzz-'));
  readonly #file = join(this.#folder, 'capture.avro');

  constructor(seeds: readonly Uint8Array[]) {
    this.seeds = seeds;
  }

  mutate(random: Random, input: Uint8Array, other: Uint8Array): Uint8Array {
    const container = random.oneIn(6) ? undefined : parseContainer(input);
    if (container === undefined) return mutateBytes(random, input, other);
    return mutateContainer(random, container, parseContainer(other) ?? container);
  }

  async run(input: Uint8Array): Promise<void> {
    const { count, error } = await this.#read(input);
    if (error === undefined) return;
    expect(
      error.bytePosition >= 0 && error.bytePosition <= input.length,
      `the error names byte ${error.bytePosition} of a file of ${input.length}`,
    );
    expect(
      error.recordsBefore === count,
      `the error tells of ${error.recordsBefore} records before it, ${count} were read`,
    );
    if (count === 0) return;
    // What stands before the place is a capture of its own; of the block at the place some records may have been read too.
    const before = await this.#read(input.subarray(0, error.bytePosition));
    expect(before.error === undefined, 'what stands before the place of the error cannot be read');
    expect(before.count <= count, 'without what is damaged there are more records');
  }

  [Symbol.asyncDispose](): Promise<void> {
    rmSync(this.#folder, { recursive: true, force: true });
    return Promise.resolve();
  }

  async #read(input: Uint8Array): Promise<{ readonly count: number; readonly error: CaptureError | undefined }> {
    writeFileSync(this.#file, input);
    let count = 0;
    try {
      await using log = await CaptureEventLog.open(this.#file);
      for await (const { record, endPosition } of log.progress(new AbortController().signal)) {
        count += 1;
        expect(endPosition <= input.length, 'a record ends behind the end of the file');
        readValue(record);
      }
    } catch (error) {
      if (!(error instanceof CaptureError)) throw error;
      return { count, error };
    }
    return { count, error: undefined };
  }
}

/** A value that cannot be read is a dead letter, which says where. */
function readValue(record: LogRecord): void {
  try {
    Reflect.get(record, 'value');
  } catch (error) {
    if (!(error instanceof RecordError)) throw error;
  }
}

/** An object container in its parts, blocks not compressed. */
interface Container {
  readonly schema: string;
  readonly codec: string;
  readonly sync: Uint8Array;
  readonly blocks: readonly { readonly records: bigint; readonly bytes: Uint8Array }[];
}

const codecs: Readonly<Record<string, { pack(bytes: Uint8Array): Uint8Array; unpack(bytes: Uint8Array): Uint8Array }>> =
  {
    null: { pack: (bytes) => bytes, unpack: (bytes) => bytes },
    deflate: {
      pack: (bytes) => deflateRawSync(bytes, { level: 1 }),
      unpack: (bytes) => inflateRawSync(bytes, { maxOutputLength: 1 << 20 }),
    },
    zstandard: {
      pack: (bytes) => zstdCompressSync(bytes),
      unpack: (bytes) => zstdDecompressSync(bytes, { maxOutputLength: 1 << 20 }),
    },
  };

function containerBytes({ schema, codec, sync, blocks }: Container): Uint8Array {
  const text = (value: string): Uint8Array => {
    const bytes = Buffer.from(value, 'latin1');
    return Buffer.concat([avroLong(BigInt(bytes.length)), bytes]);
  };
  const head = [
    Buffer.from('Obj\u0001'),
    avroLong(2n),
    text('avro.schema'),
    text(schema),
    text('avro.codec'),
    text(codec),
  ];
  const parts: Uint8Array[] = [...head, avroLong(0n), sync];
  for (const { records, bytes } of blocks) {
    const packed = codecs[codec]?.pack(bytes) ?? bytes;
    parts.push(avroLong(records), avroLong(BigInt(packed.length)), packed, sync);
  }
  return Buffer.concat(parts).subarray(0, inputBytesMax);
}

/** What `containerBytes` made, taken apart; `undefined` where it is that no more. */
function parseContainer(input: Uint8Array): Container | undefined {
  try {
    let position = 5;
    const text = (): string => {
      const length = readLong(input, position);
      const start = skipVarint(input, position);
      position = start + length;
      return Buffer.from(input.subarray(start, position)).toString('latin1');
    };
    const [, schema, , codec] = [text(), text(), text(), text()];
    const sync = input.subarray(position + 1, position + 17);
    const known = codecs[codec];
    if (known === undefined || sync.length < 16) return undefined;
    position += 17;
    const blocks: { records: bigint; bytes: Uint8Array }[] = [];
    while (position < input.length) {
      const records = BigInt(readLong(input, position));
      position = skipVarint(input, position);
      const size = readLong(input, position);
      const start = skipVarint(input, position);
      position = start + size + 16;
      if (size < 0 || position > input.length) return undefined;
      blocks.push({ records, bytes: known.unpack(input.subarray(start, start + size)) });
    }
    return { schema, codec, sync, blocks };
  } catch {
    // Damaged by an earlier change: it is changed as bytes from then on.
    return undefined;
  }
}

const schemaWords = [
  '"null"',
  '"long"',
  '"int"',
  '"string"',
  '"bytes"',
  '"double"',
  '"boolean"',
  '[]',
  '{}',
  '[',
  '{',
  '}',
  ']',
  '""',
  'null',
  '-1',
  '{"type":"array","items":"null"}',
  '{"type":"map","values":"long"}',
  '{"type":"fixed","name":"F","size":2147483647}',
  '{"type":"enum","name":"E","symbols":[]}',
  '{"type":"record","name":"R","fields":[]}',
  '{"type":"record","name":"L","fields":[{"name":"next","type":"L"}]}',
  '"palisade.CaptureRecord"',
  '"default":null',
  '"aliases":["topic"]',
  '"__proto__"',
  '"logicalType":"decimal"',
  '"javaScript":"bigint"',
];
/** What of a schema is changed as one piece: a text, a number, a mark. */
const schemaPiece = /"(?:[^"\\]|\\.)*"|-?\d+|[[\]{},:]/gu;

function mutateSchema(random: Random, schema: string): string {
  const pieces = [...schema.matchAll(schemaPiece)];
  if (pieces.length === 0) return random.of(schemaWords);
  const at = random.of(pieces);
  const to = random.oneIn(2) ? at : random.of(pieces);
  const put = random.of([random.of(schemaWords), random.of(pieces)[0], '', random.of(pieces)[0]]);
  const start = Math.min(at.index, to.index);
  const end = Math.max(at.index + at[0].length, to.index + to[0].length);
  return random.oneIn(3)
    ? schema.slice(0, start) + put + schema.slice(start)
    : schema.slice(0, start) + put + schema.slice(end);
}

function mutateContainer(random: Random, container: Container, other: Container): Uint8Array {
  const blocks = [...container.blocks];
  let { schema, codec } = container;
  const place = random.below(blocks.length);
  const block = blocks[place] ?? { records: 0n, bytes: new Uint8Array(1) };
  switch (random.below(8)) {
    case 0:
      schema = mutateSchema(random, schema);
      break;
    case 1:
      codec = random.of([...Object.keys(codecs), 'brotli', '']);
      break;
    case 2:
      blocks[place] = { ...block, records: random.oneIn(2) ? edgeNumber(random) : block.records + 1n };
      break;
    case 3:
      blocks.splice(place, random.below(2), ...other.blocks.slice(0, 1 + random.below(3)));
      break;
    case 4: {
      // Well packed and enormous.
      const filler = new Uint8Array(random.length(random.oneIn(16) ? 8 << 20 : 1 << 12)).fill(random.below(256));
      blocks[place] = { records: random.oneIn(2) ? BigInt(filler.length) : block.records, bytes: filler };
      break;
    }
    case 5:
      return replaced(containerBytes(container), 4, 4 + random.below(4), avroLong(edgeNumber(random), random.below(3)));
    default:
      blocks[place] = { ...block, bytes: mutateBytes(random, block.bytes, other.blocks[0]?.bytes ?? block.bytes) };
  }
  return containerBytes({ ...container, schema, codec, blocks });
}

/** The bundled recording in small pieces with each codec, as this version writes it and as one that lacks a field did. */
async function seeds(): Promise<readonly Uint8Array[]> {
  const schema = new CaptureSchema();
  const records: Uint8Array[] = [];
  await using log = await CaptureEventLog.open(recordingFile());
  for await (const { record } of log.progress(new AbortController().signal)) {
    const bytes = schema.encode(record);
    if (bytes.length < inputBytesMax / 8) records.push(bytes);
    if (records.length === 12) break;
  }
  const blocks = Array.from({ length: records.length / recordsPerBlock }, (_, place) => {
    const own = records.slice(place * recordsPerBlock, (place + 1) * recordsPerBlock);
    return { records: BigInt(own.length), bytes: Buffer.concat(own) };
  });
  const sync = new Uint8Array(16).fill(7);
  const older = JSON.stringify(
    JSON.parse(schema.json, (key, value: unknown) =>
      key === 'fields' && Array.isArray(value)
        ? value.filter(({ name }: { name: string }) => name !== 'policyStatus')
        : key === 'doc'
          ? undefined
          : value,
    ),
  );
  // Schema resolution takes longer than all else: one is enough to make others of.
  const resolved = containerBytes({ schema: older, codec: 'null', sync, blocks: blocks.slice(0, 1) });
  const own = Object.keys(codecs).flatMap((codec) =>
    [blocks.slice(0, 1), blocks].map((some) => containerBytes({ schema: schema.json, codec, sync, blocks: some })),
  );
  return [...own, resolved];
}
